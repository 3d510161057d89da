import type { ErrorRequestHandler } from 'express';
import createKnex from 'knex';
import { reason } from '#database/errors.ts';
import { TimeoutError } from './in-time.ts';

/** Answers 503 when the database is unavailable. Any other error is a bug, and a 500. */
export const answerUnavailable = answer503(isOutage);

/** @param isOutage whether an error means that the database is unavailable, which each kind of database says its way. */
export function answer503(isOutage: (error: Error) => boolean): ErrorRequestHandler {
  return (error, req, res, next) => {
    const isTimeout = error instanceof TimeoutError || error instanceof createKnex.KnexTimeoutError;
    const isKnown = isTimeout || (error instanceof Error && isOutage(error));
    if (!isKnown || res.headersSent) return next(error);
    console.error(`503 for ${req.method} ${req.path}: ${reason(error)}`);
    // Without an id, express-session does not try again to save or destroy the session, and sets no cookie.
    Reflect.deleteProperty(req, 'sessionID');
    res
      .status(503)
      .set('Retry-After', '1') // in seconds
      .json({ error: 'The server cannot reach its database. Try again in a moment.' });
  };
}

function isOutage(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  // A missing sessions table has no code of its own.
  return outages.test(code) || error.message.endsWith('no such table: sessions');
}

const outages = /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|CORRUPT|NOTADB|FULL|READONLY)/;
