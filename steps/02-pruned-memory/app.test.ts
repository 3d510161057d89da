import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { countSessions } from '#steps/shared/store-contents.ts';
import { HOUR, stopClock } from '#tests/clock.ts';
import { describeLogin, loggedIn } from '#tests/login.ts';
import { ada } from '#tools/browser.ts';
import { createApp } from './app.ts';

describeLogin(createApp);

describe('sessions in pruned memory', () => {
  test('deletes expired sessions within the hour, even if nobody asks for them', async () => {
    const clock = stopClock();
    const { server } = await loggedIn(createApp);
    await clock.advance(24 * HOUR - 60_000);
    expect(
      await countSessions(server.store),
      'the session is gone a minute too early. Set maxAge, and ttl if you use it, to a day: chapter 2, The code',
    ).toBe(1);
    await clock.advance(HOUR + 2 * 60_000);
    expect(
      await countSessions(server.store),
      'expired sessions are still there. Give session() a memorystore with a checkPeriod: chapter 2, The code',
    ).toBe(0);
  });

  test('never holds more than 10,000 sessions: the least recently used one goes first', async () => {
    const { server, browser } = await loggedIn(createApp);
    const session = await promisify(server.store.get.bind(server.store))(browser.sessionId);
    if (!session) throw new Error('ada has no session.');
    for (let i = 1; i < 10_000; i++) server.store.set(`visitor ${i}`, session);
    const full = await countSessions(server.store);
    expect(full, 'max is less than 10,000: chapter 2, The code').toBe(10_000);
    expect(await browser.whoAmI(), 'ada, the first of 10,000, is gone too early').toBe('ada');

    server.store.set('one more', session);
    expect(
      await countSessions(server.store),
      'the number of sessions has no bound. Set max to 10,000: chapter 2, The code',
    ).toBe(10_000);
    expect(await browser.whoAmI(), 'ada, who was active a moment ago, is gone').toBe('ada');

    for (let i = 1; i <= 10_000; i++) server.store.set(`newcomer ${i}`, session);
    expect(
      await browser.whoAmI(),
      'ada is still there, although 10,000 others were active since',
    ).toBeUndefined();
  });

  test('still forgets who you are when the server restarts', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.restart();
    const who = await browser.whoAmI();
    expect(who, 'the sessions survived the restart: this store is not in memory').toBeUndefined();
    expect((await browser.logIn(ada)).status, 'the account is gone as well').toBe(200);
  });
});
