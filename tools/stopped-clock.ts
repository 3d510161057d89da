// Loaded into a server process before the server: stops its clock, and moves it on when told to.
import { mock } from 'node:test';

mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval'], now: Date.now() });

process.on('message', (message: { advance: number }) => {
  mock.timers.tick(message.advance);
  process.send?.('advanced');
});
process.channel?.unref();
