import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { SessionStore } from '#steps/08-revoke-sessions/store.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { start } from '#tests/step.ts';
import type { Browser } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { Users } from './users.ts';

const parts = { openDatabase, SessionStore, Users };
const bob = { username: 'bob', password: 'correct horse' };
const changed = { ...demo, password: 'a better password' };

describe('an attacker who guesses passwords', () => {
  test('cannot lock users out of a browser in which they have logged in before', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    await step.browser.logOut();
    await guess(step.openBrowser(), demo);
    expect((await step.browser.logIn()).status).toBe(200);
    expect((await step.openBrowser().logIn()).status).toBe(429);
  });

  test('cannot make a browser wait in which a user has logged in, from the same address', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    for (let name = 0; name < 5; name++) {
      await guess(step.openBrowser(), { ...demo, username: `user-${name}` });
    }
    expect((await step.browser.logIn()).status).toBe(200);
    expect((await step.openBrowser().logIn()).status).toBe(429);
  });

  test('has ten guesses for each browser in which the user has logged in', async () => {
    const { browser } = await start(createApp, parts);
    await browser.logIn();
    await browser.logOut();
    await guess(browser, demo);
    expect((await browser.logIn()).status).toBe(429);
  });

  test('cannot use the device cookie of one account for another', async () => {
    const step = await start(createApp, parts);
    await step.browser.register(bob);
    await step.browser.logIn();
    await guess(step.openBrowser(), bob);
    expect((await step.browser.logIn(bob)).status).toBe(429);
  });

  test('cannot use a device cookie from before a password change', async () => {
    const step = await start(createApp, parts);
    const thief = step.openBrowser();
    for (const browser of [step.browser, thief]) await browser.logIn();
    const body = { password: demo.password, newPassword: changed.password };
    await step.browser.post('/api/password', body);
    await guess(step.openBrowser(), demo);
    expect((await thief.logIn(changed)).status).toBe(429);
    await step.browser.logOut();
    expect((await step.browser.logIn(changed)).status).toBe(200);
  });

  test('is a stranger with a malformed device cookie', async () => {
    const { url } = await start(createApp, parts);
    // As long as a signature, in characters: the last one arrives as two.
    const cookie = `device=${'A'.repeat(22)}.${'A'.repeat(41)}\u00e9`;
    const answer = await request(url).post('/api/login').set('Cookie', cookie).send(demo);
    expect(answer.status).toBe(200);
  });
});

test('a browser stays known to each of its users', async () => {
  const step = await start(createApp, parts);
  await step.browser.register(bob);
  await step.browser.logIn();
  await step.browser.logIn(bob);
  await step.browser.logOut();
  await guess(step.openBrowser(), demo);
  expect((await step.browser.logIn()).status).toBe(200);
});

test('a browser stays known under a new secret, and after its next login without the old one', async () => {
  const step = await start(createApp, parts);
  await step.browser.logIn();
  await step.browser.logOut();
  await step.restart({ secret: `a newer secret,${step.secret}` });
  await guess(step.openBrowser(), demo);
  expect((await step.browser.logIn()).status).toBe(200);
  await step.browser.logOut();
  await step.restart({ secret: 'a newer secret' });
  expect((await step.browser.logIn()).status).toBe(200);
});

/** As many wrong passwords as an account allows. */
async function guess(browser: Browser, { username }: { username: string }): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    await browser.logIn({ username, password: 'wrong horse' });
  }
}
