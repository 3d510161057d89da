import { performance } from 'node:perf_hooks';
import { expect, test, vi } from 'vitest';
import { stopClock } from '#tests/clock.ts';
import { inTime } from './in-time.ts';

const forever = new Promise(() => {});

test('the wait does not count the time in which this process is busy, because that is not an outage', async () => {
  const clock = stopClock();
  let idle = 0;
  const utilization = () => ({ idle, active: 0, utilization: 1 });
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation(utilization);
  const failed = vi.fn();
  inTime(forever).catch(failed);
  idle += 500;
  await clock.advance(60_000); // as with many logins at once, whose passwords are hashed
  expect(failed).not.toHaveBeenCalled();
  idle += 1500;
  await clock.advance(1500);
  expect(failed).toHaveBeenCalled();
});

test('the wait ends with the work, and leaves no timer', async () => {
  stopClock();
  expect(await inTime(Promise.resolve(1))).toBe(1);
  await expect(inTime(Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(vi.getTimerCount()).toBe(0);
});
