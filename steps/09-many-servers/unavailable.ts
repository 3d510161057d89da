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

// PostgreSQL's codes for an outage, from https://www.postgresql.org/docs/current/errcodes-appendix.html: connection (08),
// resources (53), shutdown or timeout (57), read-only standby (25006), lock (55P03). Then those of the network.
const outages =
  /^(08...|53...|57(014|P0.)|25006|55P03|ECONN.*|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND)$/;

// The driver's errors for a connection that ends, or does not open in time, have no code.
const lostConnection = /^(Connection terminated|Client (has|was) .+ not queryable|timeout expired)/;

function isOutage(error: unknown): boolean {
  if (error instanceof TimeoutError || error instanceof createKnex.KnexTimeoutError) return true;
  if (!(error instanceof Error)) return false;
  if (lostConnection.test(reason(error))) return true;
  if (!('code' in error)) return false;
  // 42P01 is a missing table.
  const isMissing = error.code === '42P01' && error.message.endsWith('"sessions" does not exist');
  return outages.test(String(error.code)) || isMissing;
}
