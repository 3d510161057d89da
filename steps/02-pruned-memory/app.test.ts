import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { countStored } from '#steps/shared/stored.ts';
import { ada } from '#tests/browser.ts';
import { HOUR, stopClock } from '#tests/clock.ts';
import { describeLogin, loggedIn } from '#tests/login.ts';
import { createApp } from './app.ts';

describeLogin(createApp);

describe('sessions in memory that is pruned', () => {
  test('deletes expired sessions within the hour, without being asked for them', async () => {
    const clock = stopClock();
    const { server } = await loggedIn(createApp);
    await clock.advance(24 * HOUR - 60_000);
    expect(await countStored(server.store), 'sessions a minute before the expiry').toBe(1);
    await clock.advance(HOUR + 2 * 60_000);
    expect(await countStored(server.store), 'expired sessions left: checkPeriod').toBe(0);
  });

  test('never holds more than 10,000 sessions: the one unused for the longest time goes', async () => {
    const { server, browser } = await loggedIn(createApp);
    const somebody = await promisify(server.store.get.bind(server.store))(browser.sessionId);
    if (!somebody) throw new Error('ada has no session.');
    for (let i = 1; i < 10_000; i++) server.store.set(`visitor ${i}`, somebody);
    expect(await countStored(server.store)).toBe(10_000);
    expect(await browser.whoAmI(), 'the first of 10,000').toBe('ada');

    server.store.set('one more', somebody);
    expect(await countStored(server.store), 'the number of sessions has no bound: max').toBe(
      10_000,
    );
    expect(await browser.whoAmI(), 'ada was active a moment ago').toBe('ada');

    for (let i = 1; i <= 10_000; i++) server.store.set(`newcomer ${i}`, somebody);
    expect(await browser.whoAmI(), '10,000 others were active since').toBeUndefined();
  });

  test('still forgets who you are when the server restarts', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.restart();
    expect(await browser.whoAmI(), 'known after the restart').toBeUndefined();
    expect((await browser.logIn(ada)).status, 'the account is kept').toBe(200);
  });
});
