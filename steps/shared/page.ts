import { join } from 'node:path';
import express, { Router } from 'express';
import { fault } from './fault.ts';

/** The folder that holds the page. */
export const pageFolder = join(import.meta.dirname, 'page');

/** What a browser may do with the page: load what lies beside it, ask this server, and nothing else. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const files = express.static(pageFolder, {
  setHeaders: (res) => {
    res.setHeader('Content-Security-Policy', contentSecurityPolicy);
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.setHeader('Referrer-Policy', 'no-referrer');
  },
});

/**
 * `GET /`: the page, and what it needs, its buttons included. Comes before the session middleware, so it
 * starts no session.
 */
export const page = Router().use(fault, (req, res, next) => {
  if (req.path.startsWith('/api/'))
    next(); // no file: to look for one on the disk would only take time
  else files(req, res, next);
});
