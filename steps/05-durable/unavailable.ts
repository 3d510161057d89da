import type { ErrorRequestHandler } from 'express';
import createKnex from 'knex';
import { reason } from '#database/open.ts';
import { StoreError } from './answer.ts';

/** Answers 503 when the database failed: for the session, or for the user that it names. */
export const answerUnavailable: ErrorRequestHandler = (error, req, res, next) => {
  if (!isDatabaseError(error) || res.headersSent) {
    next(error);
    return;
  }
  console.error(`503 for ${req.method} ${req.path}: ${reason(error)}`);
  // Without this, express-session would try once more to save the session while it sends the answer, and
  // let the browser wait for that; and a login that failed would still set its cookie.
  Reflect.deleteProperty(req, 'session');
  res
    .status(503)
    .set('Retry-After', '1') // in seconds
    .json({ error: 'The server cannot reach its database. Try again in a moment.' });
};

/** The database failed, or there was no connection to it in time. */
function isDatabaseError(error: unknown): boolean {
  if (error instanceof StoreError || error instanceof createKnex.KnexTimeoutError) return true;
  return error instanceof Error && 'code' in error && /^SQLITE_/.test(String(error.code));
}
