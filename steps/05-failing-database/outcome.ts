import { inTime } from '#database/in-time.ts';

/** What express-session passes to each method of a store. */
export type Callback<T> = (error: unknown, result?: T) => void;

/**
 * Waits for the database, and reports the outcome in one place: through the callback, exactly once. The promise
 * never rejects, because express-session ignores it, and an unhandled rejection ends the process.
 *
 * @param otherwise what the promise resolves to when the work fails.
 */
export async function report<T>(
  callback: Callback<T> | undefined,
  otherwise: T,
  work: () => Promise<T>,
): Promise<T> {
  const [error, result] = await inTime(work()).then(
    (result) => [null, result] as const,
    (error: unknown) => [error, otherwise] as const,
  );
  // On a later tick, so an exception in the callback does not count as a database error.
  if (callback) process.nextTick(callback, error, result);
  return result;
}
