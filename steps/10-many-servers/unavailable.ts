import { reason } from '#database/errors.ts';
import { answer503 } from '#steps/05-failing-database/unavailable.ts';

/** Answers 503 when PostgreSQL is unavailable. Any other error is a bug, and a 500. */
export const answerUnavailable = answer503(isOutage);

function isOutage(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  // 42P01 is a missing table.
  const isMissing = code === '42P01' && error.message.endsWith('"sessions" does not exist');
  return isMissing || outages.test(code) || lostConnection.test(reason(error));
}

// PostgreSQL's codes for an outage, from https://www.postgresql.org/docs/current/errcodes-appendix.html: connection (08),
// resources (53), shutdown or timeout (57), read-only standby (25006), lock (55P03). Then those of the network.
const outages =
  /^(08...|53...|57(014|P0.)|25006|55P03|ECONN.*|EPIPE|ETIMEDOUT|E(HOST|NET)UNREACH|ENOTFOUND|EAI_AGAIN)$/;

// The driver's errors for a connection that ends, or does not open in time, have no code.
const lostConnection = /^(Connection terminated|Client (has|was) .+ not queryable|timeout expired)/;
