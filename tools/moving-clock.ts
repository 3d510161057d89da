// Loaded into a server process before the server: time passes as ever, and leaps ahead when told to.
import { mock } from 'node:test';

const { setInterval, performance } = globalThis; // the real ones
await import('./stopped-clock.ts');

let last = performance.now();
setInterval(() => {
  const passed = Math.floor(performance.now() - last);
  last += passed;
  mock.timers.tick(passed);
}, 10).unref();
