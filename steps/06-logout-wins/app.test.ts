import { rm } from 'node:fs/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '#steps/05-failing-database/database.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { countAsIdle, HOUR, moveDate, stopClock } from '#tests/clock.ts';
import { type RunningStep, start } from '#tests/step.ts';
import { holdConnections, load, newSession } from '#tests/store-methods.ts';
import { replay } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { SessionStore } from './store.ts';

test('still knows you after a restart', async () => {
  const step = await start(createApp, { openDatabase, SessionStore });
  await step.browser.logIn();
  await step.restart();
  expect(await step.browser.whoAmI()).toBe('demo');
});

describe('controls: the same restart forgets you when', () => {
  test('the secret has changed', async () => {
    const step = await start(createApp, { openDatabase, SessionStore });
    await step.browser.logIn();
    await step.restart({ secret: 'a secret made anew at each start' });
    expect(await step.browser.whoAmI()).toBeUndefined();
  });

  test('the database file was deleted', async () => {
    const step = await start(createApp, { openDatabase, SessionStore });
    await step.browser.logIn();
    await step.stop();
    await rm(step.file);
    await step.start();
    expect(await step.browser.whoAmI()).toBeUndefined();
  });
});

describe('a logout is final', () => {
  test('when another request of the same user ends after it', async () => {
    const step = await start(createApp, { openDatabase, SessionStore });
    await step.browser.logIn();
    const { cookie = '' } = step.browser;
    const finishUpload = await beginUpload(step);
    await step.browser.logOut();
    expect(await finishUpload()).toBe(204);
    expect((await replay(step.url, cookie)).status).toBe(401);
  });

  test('when the login request saves the session again', async () => {
    const { store } = await openStore();
    const session = newSession({ userId: 1 });
    await store.set('a', session);
    await store.destroy('a');
    await store.set('a', session);
    expect(await store.get('a')).toBeNull();
  });

  test('and so is the expiry', async () => {
    const { store } = await openStore();
    await store.set('a', newSession({}, HOUR));
    const late = await load(store, 'a');
    moveDate(HOUR + 1000);
    late.cookie.maxAge = HOUR; // as express-session does at the end of each request
    await store.set('a', late);
    expect(await store.get('a')).toBeNull();
  });

  test('and a session whose cookie ends with the browser expires after a day', async () => {
    const { store } = await openStore();
    moveDate(0); // freezes the date
    const session = newSession();
    Object.assign(session.cookie, { expires: null, maxAge: undefined });
    await store.set('a', session);
    moveDate(24 * HOUR - 1000);
    expect(await store.get('a')).not.toBeNull();
    moveDate(2000);
    expect(await store.get('a')).toBeNull();
  });

  test('but a loaded session that is saved under another id is a new session', async () => {
    const { store } = await openStore();
    await store.set('a', newSession({ userId: 1 }));
    await store.set('b', await load(store, 'a'));
    expect(await store.get('b')).toMatchObject({ userId: 1 });
  });
});

describe('the response to an upload does not take a newer login away when it comes after', () => {
  test.each([
    ['a logout and a login', ['/api/logout', '/api/login']],
    ['a login in another tab', ['/api/login']],
  ])('%s', async (_what, paths) => {
    const step = await start(createApp, { openDatabase, SessionStore });
    await step.browser.logIn();
    const finishUpload = await beginUpload(step);
    for (const path of paths) await step.browser.post(path, demo);
    expect(await finishUpload()).toBe(204);
    expect(await step.browser.whoAmI()).toBe('demo');
  });
});

describe('calls on one session keep their order, even when nothing waits for them', () => {
  const one = () => newSession({ userId: 1 });
  const two = () => newSession({ userId: 2 });

  test.each<[what: string, userId: number | undefined, call: (store: SessionStore) => unknown]>([
    ['save, then read', 2, (store) => store.set('a', two())],
    ['log out, then read', undefined, (store) => store.destroy('a')],
    ['save, then log out', undefined, (store) => [store.set('a', two()), store.destroy('a')]],
    ['log out, then save a new session', 2, (store) => [store.destroy('a'), store.set('a', two())]],
    ['save twice', 1, (store) => [store.set('a', two()), store.set('a', one())]],
    [
      'change, save, change back, save',
      1,
      (store, session = two()) => [
        store.set('a', session),
        store.set('a', Object.assign(session, { userId: 1 })),
      ],
    ],
  ])('%s', async (_what, userId, call) => {
    const { store } = await openStore();
    for (let round = 0; round < 10; round++) {
      await store.set('a', one());
      if (round % 2) void store.length(); // makes the first call wait for its turn
      call(store);
      expect((await store.get('a'))?.userId).toBe(userId);
    }
  });

  test('a save stores the session as it was at the call', async () => {
    const { store } = await openStore();
    const session = newSession({ userId: 1 });
    void store.length(); // makes the save wait for its turn
    void store.set('a', session);
    Object.assign(session, { userId: 2 });
    expect(await store.get('a')).toMatchObject({ userId: 1 });
  });

  test('work is skipped when its caller has given up', async () => {
    const { knex, store } = await openStore();
    const clock = stopClock();
    countAsIdle();
    const release = await holdConnections(knex);
    const calls = Array.from({ length: 10 }, () => store.get('a'));
    await clock.advance(2000);
    expect(await Promise.all(calls)).toEqual(Array(10).fill(null));
    const queries = vi.fn();
    knex.on('query', queries);
    await release();
    await store.close(); // waits for work in progress
    const reads = queries.mock.calls.filter(([{ sql }]) => sql.startsWith('select `sess`'));
    expect(reads.length).toBeLessThanOrEqual(1);
  });
});

/** Begins an upload in the browser, and waits until its session is being loaded. @returns a function that sends the rest */
async function beginUpload({ browser, parts }: RunningStep) {
  const get = vi.spyOn(parts.store, 'get');
  const upload = browser.post('/upload').type('text/plain');
  upload.write('half of the file, ');
  await expect.poll(() => get.mock.calls).toHaveLength(1);
  return async () => (await upload).status;
}

/** A store on a database in memory. Both are closed when the test has finished. */
async function openStore() {
  const knex = await openDatabase('file::memory:');
  onTestFinished(() => knex.destroy());
  const store = new SessionStore({ knex, cleanupInterval: 0 });
  onTestFinished(() => store.close());
  await store.length(); // its first clean-up is over
  return { knex, store };
}
