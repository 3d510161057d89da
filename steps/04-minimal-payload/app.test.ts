import { describe, expect, test } from 'vitest';
import { ada } from '#tests/browser.ts';
import { describeKept } from '#tests/kept.ts';
import { describeLogin, loggedIn } from '#tests/login.ts';
import { createApp } from './app.ts';

describeLogin(createApp);
describeKept(createApp);

describe('a session that holds one id', () => {
  test("stores the user's id and the cookie's attributes, and nothing else", async () => {
    const { server } = await loggedIn(createApp);
    const row = await server.knex('sessions').first();
    const user = await server.users.find('ada');
    const { cookie, ...rest } = JSON.parse(row.sess);
    expect(rest, 'what the application put into the session').toEqual({ userId: user?.id });
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

  test('knows at the next request that its user was renamed', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.knex('users').where({ username: 'ada' }).update({ username: 'lovelace' });
    expect(await browser.whoAmI()).toBe('lovelace');
  });

  test('knows at the next request that its user was deleted', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.users.remove('ada');
    expect(await browser.whoAmI()).toBeUndefined();
    expect((await browser.get('/api/users')).status).toBe(401);
  });

  test('never passes to another user: ids are not given out twice', async () => {
    const { server, browser } = await loggedIn(createApp);
    await server.users.remove('ada');
    await server.browser().register({ ...ada, username: 'eve' });
    expect(await browser.whoAmI()).toBeUndefined();
  });
});
