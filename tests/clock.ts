import { onTestFinished, vi } from 'vitest';

export const HOUR = 60 * 60 * 1000;

/**
 * Stops the clock for the rest of the test. It goes on only by `advance`, which also fires the timers
 * that became due, however far in the future they were.
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
