import { reason } from '#database/open.ts';

const PATIENCE = 2000; // in milliseconds: no request waits longer for one answer of the database

/** The database did not do what a session needed. */
export class StoreError extends Error {}

/** What express-session gives to each method of a store. It has no use for the promise beside it. */
export type Callback<T> = (error: unknown, result?: T) => void;

/**
 * Waits for the database, but not for ever, and tells what came of it: in one place, and once. What it
 * returns never rejects, for express-session drops it, and Node ends a process for a rejection that nobody
 * handles.
 *
 * @param otherwise what the promise holds when the work fails. The callback gets the error.
 */
export async function answer<T>(
  callback: Callback<T> | undefined,
  otherwise: T,
  work: () => Promise<T>,
): Promise<T> {
  const [error, result] = await within(PATIENCE, work()).then(
    (result) => [null, result] as const,
    (error) => [new StoreError(reason(error)), otherwise] as const,
  );
  // Not called from here: what a callback throws is not the store's, and must not look like it.
  if (callback) process.nextTick(callback, error, result);
  return result;
}

function within<T>(duration: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no answer in ${duration} ms`));
    const timer = setTimeout(late, duration);
    work.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
