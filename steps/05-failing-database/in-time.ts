import { performance } from 'node:perf_hooks';
import type { Knex } from 'knex';

const LIMIT = 2000; // in milliseconds: the longest that a request waits for one answer from the database
const CONNECTION_LIMIT = 900; // of these, the longest for a connection: the statement may then take a second

/** The database did not answer in time. */
export class TimeoutError extends Error {}

/**
 * Waits for work in the database, but not forever.
 *
 * @throws {TimeoutError} when the work takes longer than two seconds, by `startWaiting`.
 */
export function inTime<T>(work: PromiseLike<T>): Promise<T> {
  const timeLeft = startWaiting();
  let timer: NodeJS.Timeout;
  const limit = new Promise<never>((_resolve, reject) => {
    const check = () => {
      if (timeLeft() > 0) timer = setTimeout(check, timeLeft());
      else reject(new TimeoutError(`The database did not answer in ${LIMIT} ms.`));
    };
    check();
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

/**
 * Lets no work begin after its caller has given up: a query or transaction that has waited too long for a connection
 * fails. Otherwise it would run as soon as a connection is free, although its request was answered with an error.
 *
 * @returns the same Knex instance.
 */
export function skipAbandoned(knex: Knex): Knex {
  const { client } = knex;
  const acquire = client.acquireConnection.bind(client);
  client.acquireConnection = async () => {
    const timeLeft = startWaiting(CONNECTION_LIMIT);
    const connection = await acquire();
    if (timeLeft() > 0) return connection;
    await client.releaseConnection(connection);
    throw new TimeoutError(`No connection to the database was free in ${CONNECTION_LIMIT} ms.`);
  };
  return knex;
}

/**
 * Starts a time limit. Only the time in which this process is idle counts: while it hashes passwords, the answer
 * may have arrived without being read yet. A busy process is not an outage.
 *
 * @returns a function that returns how much time is left, in milliseconds.
 */
export function startWaiting(limit = LIMIT): () => number {
  const idle = () => performance.eventLoopUtilization().idle;
  const before = idle();
  return () => limit - (idle() - before);
}
