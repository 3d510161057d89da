import { reason } from '#database/errors.ts';
import { inTime } from './in-time.ts';

/** What express-session passes to each method of a store. */
export type Callback<T> = (error: unknown, result?: T) => void;

/**
 * Waits for the database, and settles a call in one place: its callback gets the outcome, exactly once. The promise
 * never rejects, because express-session ignores it, and an unhandled rejection ends the process.
 *
 * @param fallback what the promise resolves to when the work fails.
 */
export async function settle<T>(
  callback: Callback<T> | undefined,
  fallback: T,
  work: () => Promise<T>,
): Promise<T> {
  const [error, result] = await inTime(work()).then(
    (result) => [null, result] as const,
    (error: unknown) => [error, fallback] as const,
  );
  // In a microtask of its own, so an exception in the callback does not count as a database error.
  if (callback) queueMicrotask(() => callback(error, result));
  return result;
}

/** For a touch. The response is already on its way to the browser: an error now could only cut it off. */
export function onlyLog(callback: Callback<void> | undefined): Callback<void> {
  return (error) => {
    if (error) console.error(`Could not extend a session: ${reason(error)}`);
    callback?.(null);
  };
}
