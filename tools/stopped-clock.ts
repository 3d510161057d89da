// Preloaded into a server process: its clock is stopped, and advances only when a message says so.
import { mock } from 'node:test';

mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval'], now: Date.now() });

process.on('message', (message: { advance: number }) => {
  mock.timers.tick(message.advance);
  process.send?.('advanced');
});
process.channel?.unref();
