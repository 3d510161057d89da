// Preloaded into a server process: its clock runs as usual, and jumps ahead when a message says so.
import { mock } from 'node:test';

const { setInterval, performance } = globalThis; // the real ones
mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval'], now: Date.now() });

process.on('message', (message: { advance: number }) => {
  mock.timers.tick(message.advance);
  process.send?.('advanced');
});
process.channel?.unref();

// If the process was busy, loading modules for example, a timer that it has only just set must not fire at
// once. So the clock skips the time during which nothing could run.
const LONGEST_TICK = 50; // in milliseconds

let last = performance.now();
setInterval(() => {
  const passed = Math.floor(performance.now() - last);
  last += passed;
  mock.timers.tick(Math.min(passed, LONGEST_TICK));
}, 10).unref();
