import { join } from 'node:path';
import express, { type RequestHandler } from 'express';

/** The folder that holds the page. */
export const pageFolder = join(import.meta.dirname, 'page');

/** Headers for a page that may load its own files and query its own server, and nothing else. */
export const pageHeaders = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

const files = express.static(pageFolder, {
  setHeaders: (res) => res.setHeaders(new Map(Object.entries(pageHeaders))),
});

/** `GET /`: the page and its files. */
export const page: RequestHandler = (req, res, next) => {
  if (req.path.startsWith('/api/'))
    next(); // not a file, so do not look for one on the disk
  else files(req, res, next);
};
