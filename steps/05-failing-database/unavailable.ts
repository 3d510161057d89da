import type { ErrorRequestHandler } from 'express';
import createKnex from 'knex';
import { TimeoutError } from '#database/in-time.ts';
import { reason } from '#database/open.ts';

/** Answers 503 when the database is unavailable. Any other error is a bug, and a 500. */
export const answerUnavailable: ErrorRequestHandler = (error, req, res, next) => {
  if (!isOutage(error) || res.headersSent) return next(error);
  console.error(`503 for ${req.method} ${req.path}: ${reason(error)}`);
  // Without an id, express-session does not try again to save or destroy the session, and sets no cookie.
  Reflect.deleteProperty(req, 'sessionID');
  res
    .status(503)
    .set('Retry-After', '1') // in seconds
    .json({ error: 'The server cannot reach its database. Try again in a moment.' });
};

const outages = /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|CORRUPT|NOTADB|FULL|READONLY)/;

function isOutage(error: unknown): boolean {
  if (error instanceof TimeoutError || error instanceof createKnex.KnexTimeoutError) return true;
  if (!(error instanceof Error && 'code' in error)) return false;
  // A missing sessions table has no code of its own.
  return outages.test(String(error.code)) || error.message.endsWith('no such table: sessions');
}
