import { onTestFinished, vi } from 'vitest';

export const HOUR = 60 * 60 * 1000;

/**
 * Stops the clock for the rest of the test. Time passes only through `advance`, which also fires every
 * timer that becomes due.
 */
export function stopClock() {
  vi.useFakeTimers({
    toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
  });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  return {
    /** @param duration in milliseconds. */
    advance: (duration: number) => vi.advanceTimersByTimeAsync(duration),
  };
}

/** Moves the date on for the rest of the test. No timer notices. @param duration in milliseconds. */
export function moveDate(duration: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + duration });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}
