import { performance } from 'node:perf_hooks';
import timers from 'node:timers';
import { onTestFinished, vi } from 'vitest';

export const HOUR = 60 * 60 * 1000; // in milliseconds

/** Told the time whenever a test changes it, and undefined at the end of that test: databases have clocks, too. */
export const otherClocks = new Set<(now?: Date) => void>();

/**
 * Stops the clock of this process and of the database, for the rest of the test. Time passes only through `advance`, which also
 * fires every timer that becomes due.
 */
export function stopClock() {
  fake(['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'], Date.now());
  return {
    /** @param duration in milliseconds. */
    advance: async (duration: number) => {
      setOthers(new Date(Date.now() + duration)); // before the timers, which may ask the database
      await vi.advanceTimersByTimeAsync(duration);
    },
  };
}

/** Lets the limits of `in-time.ts` follow a stopped clock, as if this process were idle until it advances. */
export function countAsIdle(): void {
  const idle = () => ({ idle: Date.now(), active: 0, utilization: 0 });
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation(idle);
}

/**
 * Moves the date of this process and of the database ahead. From then on it stands still, until the test ends. Timers are not
 * affected.
 *
 * @param duration in milliseconds.
 */
export function moveDate(duration: number): void {
  fake(['Date'], Date.now() + duration);
}

type Timers = Parameters<typeof vi.useFakeTimers>[0];

function fake(toFake: NonNullable<NonNullable<Timers>['toFake']>, now: number): void {
  vi.useFakeTimers({ toFake, now, shouldClearNativeTimers: true });
  // The pool of Knex clears its intervals by this module, which vitest does not fake.
  vi.spyOn(timers, 'clearInterval').mockImplementation((timer) => clearInterval(timer));
  setOthers(new Date(now));
  onTestFinished(() => {
    vi.useRealTimers();
    setOthers();
  });
}

function setOthers(now?: Date): void {
  for (const set of otherClocks) set(now);
}
