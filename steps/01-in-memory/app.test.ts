import { describe, expect, test } from 'vitest';
import { countSessions, readSession } from '#steps/shared/store-contents.ts';
import { findUserData } from '#steps/shared/user-data.ts';
import { HOUR, stopClock } from '#tests/clock.ts';
import { describeLogin, loggedIn } from '#tests/login.ts';
import { ada } from '#tools/browser.ts';
import { createApp } from './app.ts';

describeLogin(createApp);

describe('sessions in memory', () => {
  test('forgets who you are when the server restarts', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.restart();
    expect(browser.cookie, 'the browser still has its cookie').toBeDefined();
    expect(await browser.whoAmI(), 'known after the restart').toBeUndefined();
  });

  test('keeps your account: only the session is lost, so you can log in again', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.restart();
    expect((await browser.logIn(ada)).status).toBe(200);
    expect(await browser.whoAmI()).toBe('ada');
  });

  test('holds the whole user in the session, password hash and all', async () => {
    const { server, browser } = await loggedIn(createApp);
    const stored = await readSession(server.store, browser.sessionId);
    expect(findUserData(stored?.session).map(({ what }) => what)).toEqual([
      'user id',
      'user name',
      'password hash',
    ]);
  });

  test('keeps expired sessions forever: the memory leaks', async () => {
    const clock = stopClock();
    const { server } = await loggedIn(createApp);
    await clock.advance(2 * 24 * HOUR);
    expect(await countSessions(server.store), 'sessions a day after the expiry').toBe(1);
  });
});
