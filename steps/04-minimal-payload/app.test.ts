import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { start } from '#tests/step.ts';
import { createApp } from './app.ts';

test('still knows you after a restart', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  await step.restart();
  expect(await step.browser.whoAmI()).toBe('demo');
});

describe('controls: the same restart forgets you when', () => {
  test('the secret has changed', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    await step.restart({ secret: 'a secret made anew at each start' });
    expect(await step.browser.whoAmI()).toBeUndefined();
  });

  test('the database file was deleted', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    await step.stop();
    await rm(step.file);
    await step.start();
    expect(await step.browser.whoAmI()).toBeUndefined();
  });
});

describe('a session that holds one id', () => {
  test("stores the user's id, the cookie's attributes, and nothing else", async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    const [sess] = await step.parts.knex('sessions').pluck('sess');
    const { cookie, ...rest } = JSON.parse(sess);
    expect(rest).toEqual({ userId: 1 });
    const attributes = ['expires', 'httpOnly', 'originalMaxAge', 'path', 'sameSite'];
    expect(Object.keys(cookie).sort()).toEqual(attributes);
  });

  test('notices at the next request that its user was renamed', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    await step.parts.knex('users').update({ username: 'lovelace' });
    expect(await step.browser.whoAmI()).toBe('lovelace');
  });

  test('notices at the next request that its user was deleted', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    await step.parts.knex('users').delete();
    expect(await step.browser.whoAmI()).toBeUndefined();
    expect((await step.browser.get('/api/users')).status).toBe(401);
  });

  test('never passes to another user, because ids are never used twice', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    await step.parts.knex('users').delete();
    await step.openBrowser().register({ username: 'eve', password: 'a new password' });
    expect(await step.browser.whoAmI()).toBeUndefined();
  });
});
