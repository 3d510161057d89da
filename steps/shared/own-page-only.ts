import { isIP } from 'node:net';
import type { RequestHandler } from 'express';
import { createError } from './errors.ts';

/**
 * Refuses requests that other websites send to a server on this machine (403). Any page that the reader has
 * open could send them, or point its own domain name at this machine (DNS rebinding). The browser's headers
 * reveal both: `Host` is the name that it looked up, and `Origin` and `Sec-Fetch-Site` say which page is
 * asking. Programs such as curl send neither of the last two, and are let through.
 */
export const ownPageOnly: RequestHandler = (req, _res, next) => {
  const { host = '', origin } = req.headers;
  const site = req.headers['sec-fetch-site'] ?? 'none';
  const isOwnHost = namesThisMachine(host, req.socket.localPort);
  const isOwnPage = origin === undefined || origin === `http://${host}`;
  if (!isOwnHost || !isOwnPage || !['same-origin', 'none'].includes(String(site))) {
    throw createError(403, 'Only pages of this server may use this address.');
  }
  next();
};

/** A rebinding attack needs a domain name: numeric addresses and localhost are safe. */
function namesThisMachine(host: string, port: number | undefined): boolean {
  const [, name = '', hostPort = '80'] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(host) ?? [];
  const isSafe = name === 'localhost' || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
  return isSafe && Number(hostPort) === port;
}
