import type { RequestHandler } from 'express';
import { HttpError } from '#steps/shared/errors.ts';

/**
 * Refuses what does not come from the lab's own page. Any web page that the reader has open could send
 * requests to this machine, or let its own name point here; but a browser tells in Host which name it
 * looked up, and in Origin which page is asking.
 */
export const ownOrigin: RequestHandler = (req, _res, next) => {
  const { host, origin } = req.headers;
  const own = ['127.0.0.1', 'localhost'].map((name) => `${name}:${req.socket.localPort}`);
  if (!host || !own.includes(host) || (origin !== undefined && origin !== `http://${host}`)) {
    throw new HttpError(403, 'The lab answers its own page, and no other.');
  }
  next();
};
