import { isIP } from 'node:net';
import type { Request, RequestHandler } from 'express';
import { createError } from '#steps/shared/errors.ts';
import { isSafe } from './cookie.ts';

// The attacks: a page of another site, or of a sister domain, makes a browser that is logged in here send a
// request (CSRF); a domain of the attacker's points at this machine, so their page counts as ours (DNS rebinding).

/**
 * Refuses requests from pages of other sites, unless they change nothing. Browsers say where a request comes from, in
 * Sec-Fetch-Site, or in Origin if they are old or use plain HTTP. A request with neither comes from a program, which has no cookies
 * but its own.
 */
export const refuseOtherSites: RequestHandler = (req, _res, next) => {
  if (isSafe(req) || isFromThisSite(req)) return next();
  throw createError(403, 'This request comes from another site. Use the page of this one.');
};

function isFromThisSite(req: Request): boolean {
  const site = req.get('Sec-Fetch-Site');
  if (site !== undefined) return site === 'same-origin' || site === 'none'; // none: typed by the user
  const origin = req.get('Origin');
  return origin === undefined || origin === `${req.protocol}://${req.headers.host}`;
}

/** Answers only to the hosts given. Without a list, only to this machine's own names: an address or localhost. */
export function refuseOtherHosts(hosts: string[] | undefined): RequestHandler {
  return (req, _res, next) => {
    // Not req.hostname, which is what the client has put into X-Forwarded-Host, if the proxy passes that on.
    const name = (req.headers.host ?? '').replace(/:\d*$/, '');
    const isKnown = hosts ? hosts.includes(name) : name === 'localhost' || isAddress(name);
    if (isKnown) return next();
    throw createError(421, 'This server has no site of that name.');
  };
}

/** DNS rebinding needs a domain name, so an IP address is safe. */
function isAddress(name: string): boolean {
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0;
}
