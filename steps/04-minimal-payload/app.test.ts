import { describe, expect, test } from 'vitest';
import { describeLogin, loggedIn } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import { ada } from '#tools/browser.ts';
import { createApp } from './app.ts';

describeLogin(createApp);
describePersistence(createApp);

describe('a session that holds one id', () => {
  test("stores the user's id and the cookie's attributes, and nothing else", async () => {
    const { server } = await loggedIn(createApp);
    const row = await server.knex('sessions').first();
    const user = await server.users.find('ada');
    const { cookie, ...rest } = JSON.parse(row.sess);
    expect(rest, 'store userId, and nothing else of the user. Chapter 4, The code').toEqual({
      userId: user?.id,
    });
    expect(Object.keys(cookie).sort()).toEqual([
      'expires',
      'httpOnly',
      'originalMaxAge',
      'path',
      'sameSite',
    ]);
    expect(row.sess, 'the name of the user').not.toContain('ada');
    expect(row.sess, 'a bcrypt hash').not.toContain('$2');
  });

  test('notices at the next request that its user was renamed', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.knex('users').where({ username: 'ada' }).update({ username: 'lovelace' });
    const who = await browser.whoAmI();
    expect(who, 'read the user afresh in requireLogin, by the id: chapter 4, The code').toBe(
      'lovelace',
    );
  });

  test('notices at the next request that its user was deleted', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.users.remove('ada');
    const who = await browser.whoAmI();
    expect(
      who,
      'a deleted user was let in. Read the user afresh in requireLogin: chapter 4, The code',
    ).toBeUndefined();
    expect((await browser.get('/api/users')).status).toBe(401);
  });

  test('never passes to another user, because ids are never used twice', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.users.remove('ada');
    await server.browser().register({ ...ada, username: 'eve' });
    const who = await browser.whoAmI();
    expect(who, 'eve has taken over the session of ada: an id was used twice').toBeUndefined();
  });
});
