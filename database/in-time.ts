import { performance } from 'node:perf_hooks';

const LIMIT = 2000; // in milliseconds: the longest that a request waits for one answer from the database

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
 * Starts a time limit. Only the time in which this process is idle counts: while it hashes passwords, the answer
 * may have arrived without being read yet. A busy process is not an outage.
 *
 * @returns a function that returns how much time is left, in milliseconds.
 */
export function startWaiting(): () => number {
  const idle = () => performance.eventLoopUtilization().idle;
  const before = idle();
  return () => LIMIT - (idle() - before);
}
