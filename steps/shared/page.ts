import { join } from 'node:path';
import express, { Router } from 'express';

// Nothing from elsewhere, no inline scripts, and frames only of this very origin.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

/** `GET /`: the page, and what it needs. Comes before the session middleware, so it starts no session. */
export const page = Router().use(
  express.static(join(import.meta.dirname, 'page'), {
    setHeaders: (res) => {
      res.setHeader('Content-Security-Policy', policy);
    },
  }),
);
