import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { HOUR, moveDate } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { replay, signedCookie } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { SessionStore } from './store.ts';
import { Users } from './users.ts';

const MINUTE = 60_000;
const parts = { openDatabase, SessionStore, Users };
const newPassword = 'a better password';

test('still knows you after a restart', async () => {
  const step = await start(createApp, { openDatabase, SessionStore, Users });
  await step.browser.logIn();
  await step.restart();
  expect(await step.browser.whoAmI()).toBe('demo');
});

describe('controls: the same restart forgets you when', () => {
  test('the secret has changed', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    await step.restart({ secret: 'a secret made anew at each start' });
    expect(await step.browser.whoAmI()).toBeUndefined();
  });

  test('the database file was deleted', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    await step.stop();
    await rm(step.file);
    await step.start();
    expect(await step.browser.whoAmI()).toBeUndefined();
  });
});

describe('an attacker who steals the database', () => {
  test('and knows the secret cannot log in with what is in the table', async () => {
    const { browser, url, secret, parts: running } = await start(createApp, parts);
    await browser.logIn();
    const [stolen] = await running.knex('sessions').pluck('sid');
    expect((await replay(url, signedCookie(browser.sessionId, secret))).status).toBe(200);
    expect((await replay(url, signedCookie(stolen, secret))).status).toBe(401);
  });

  test('finds no session id in any row', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    const rows = await step.parts.knex('sessions');
    expect(JSON.stringify(rows)).not.toContain(step.browser.sessionId);
  });
});

describe('an attacker with a live session', () => {
  test('is logged out after 30 minutes without a request, even with a replayed cookie', async () => {
    const { browser, url } = await start(createApp, parts);
    moveDate(0); // the clock stands still
    await browser.logIn();
    const { cookie = '' } = browser;
    moveDate(29 * MINUTE);
    expect((await replay(url, cookie)).status).toBe(200);
    moveDate(31 * MINUTE);
    expect((await replay(url, cookie)).status).toBe(401);
  });

  test.each([
    ['a session', 12 * HOUR, 20 * MINUTE],
    ['a remembered session', 30 * 24 * HOUR, 12 * HOUR],
  ])(
    'keeps %s busy, but is still logged out at the absolute timeout',
    async (what, lifetime, pause) => {
      const { browser, url } = await start(createApp, parts);
      moveDate(0);
      await browser.post('/api/login', { ...demo, remember: what === 'a remembered session' });
      const { cookie = '' } = browser;
      for (let time = pause; time < lifetime; time += pause) {
        moveDate(pause);
        expect((await replay(url, cookie)).status).toBe(200);
      }
      moveDate(pause + 1000);
      expect((await replay(url, cookie)).status).toBe(401);
    },
  );

  test('has a cookie with a date only for "remember me", and the same date as in the store', async () => {
    const { browser, parts: running } = await start(createApp, parts);
    expect((await browser.logIn()).headers['set-cookie']?.[0]).not.toMatch(/Expires|Max-Age/);
    moveDate(0);
    const login = await browser.post('/api/login', { ...demo, remember: true });
    const [expired] = await running.knex('sessions').pluck('expired');
    const date = new Date(expired).toUTCString();
    expect(login.headers['set-cookie']?.[0]).toContain(`Expires=${date}`);
  });

  test('is remembered after a change of the password if its user asked for that, and not for another date', async () => {
    const { browser, parts: running } = await start(createApp, parts);
    const change = async () => {
      const body = { password: demo.password, newPassword: demo.password };
      return (await browser.post('/api/password', body)).headers['set-cookie']?.[0];
    };
    await browser.post('/api/login', { ...demo, remember: true });
    expect(await change()).toContain('Expires=');
    await browser.logIn();
    const [{ sess }] = await running.knex('sessions');
    const { cookie, ...rest } = JSON.parse(sess);
    const dated = { ...cookie, originalMaxAge: HOUR, expires: new Date(Date.now() + HOUR) };
    await running.knex('sessions').update({ sess: JSON.stringify({ ...rest, cookie: dated }) });
    expect(await change()).not.toContain('Expires=');
  });

  test('is logged out when the user changes the password, and the user stays logged in under a new id', async () => {
    const step = await start(createApp, parts);
    const [user, thief] = [step.browser, step.openBrowser()];
    for (const browser of [user, thief]) await browser.logIn();
    const { cookie: before = '' } = user;
    const body = { password: demo.password, newPassword };
    expect((await user.post('/api/password', body)).status).toBe(204);
    expect(await thief.whoAmI()).toBeUndefined();
    expect(await user.whoAmI()).toBe('demo');
    expect((await replay(step.url, before)).status).toBe(401);
    expect((await thief.logIn()).status).toBe(401);
    expect((await thief.logIn({ ...demo, password: newPassword })).status).toBe(200);
  });

  test('cannot change the password, or delete the account, without the password', async () => {
    const { browser } = await start(createApp, parts);
    await browser.logIn();
    const body = { password: 'wrong horse', newPassword };
    expect((await browser.post('/api/password', body)).status).toBe(401);
    expect((await browser.delete('/api/account', body)).status).toBe(401);
    expect(await browser.whoAmI()).toBe('demo');
  });

  test('is logged out when the account is deleted', async () => {
    const step = await start(createApp, parts);
    const [user, thief] = [step.browser, step.openBrowser()];
    for (const browser of [user, thief]) await browser.logIn();
    expect((await user.delete('/api/account', { password: demo.password })).status).toBe(204);
    expect(await thief.whoAmI()).toBeUndefined();
    expect(await step.parts.knex('users')).toEqual([]);
    expect(await step.parts.knex('sessions')).toEqual([]);
  });

  test('appears in the list of sessions, and the user can end that session', async () => {
    const step = await start(createApp, parts);
    const [user, thief] = [step.browser, step.openBrowser()];
    moveDate(0);
    await user.logIn();
    moveDate(1000);
    await thief.logIn().set('User-Agent', 'A Stolen Laptop');
    const createdAt = new Date().toISOString();
    moveDate(5 * MINUTE);
    await thief.whoAmI();
    const lastSeenAt = new Date().toISOString();
    moveDate(MINUTE);
    const [stolen, own] = (await user.get('/api/sessions')).body.sessions;
    const userAgent = 'A Stolen Laptop';
    const id = expect.any(String);
    expect(stolen).toEqual({ id, current: false, createdAt, lastSeenAt, userAgent });
    expect(own).toMatchObject({ current: true });
    expect((await user.delete(`/api/sessions/${stolen.id}`)).status).toBe(204);
    expect(await thief.whoAmI()).toBeUndefined();
    expect(await user.whoAmI()).toBe('demo');
  });

  test('cannot log in with what that list shows', async () => {
    const { browser, url, secret } = await start(createApp, parts);
    await browser.logIn();
    const [{ id }] = (await browser.get('/api/sessions')).body.sessions;
    expect((await replay(url, signedCookie(id, secret))).status).toBe(401);
  });

  test('is logged out with all other sessions at once', async () => {
    const step = await start(createApp, parts);
    const others = [step.openBrowser(), step.openBrowser()];
    for (const browser of [step.browser, ...others]) await browser.logIn();
    expect((await step.browser.delete('/api/sessions')).status).toBe(204);
    for (const other of others) expect(await other.whoAmI()).toBeUndefined();
    expect(await step.browser.whoAmI()).toBe('demo');
  });

  test('cannot see or end the sessions of another user', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    const [{ id }] = (await step.browser.get('/api/sessions')).body.sessions;
    const mallory = step.openBrowser();
    await mallory.register({ username: 'mallory', password: 'evil password' });
    await mallory.logIn({ username: 'mallory', password: 'evil password' });
    expect((await mallory.get('/api/sessions')).body.sessions).toHaveLength(1);
    expect((await mallory.delete(`/api/sessions/${id}`)).status).toBe(404);
    expect((await mallory.delete('/api/sessions')).status).toBe(204);
    expect(await step.browser.whoAmI()).toBe('demo');
  });

  test.each(['x', '%00', '1', "'", '00000000-0000-4000-8000-000000000000'])(
    'learns only that there is no session %s',
    async (id) => {
      const { browser } = await start(createApp, parts);
      await browser.logIn();
      expect((await browser.delete(`/api/sessions/${id}`)).status).toBe(404);
    },
  );
});
