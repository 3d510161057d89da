import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '#steps/05-failing-database/database.ts';
import { HOUR, stopClock } from '#tests/clock.ts';
import { describeFailingStore, describeUsers } from '#tests/failing-database.ts';
import { describeLogin } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import type { CreateAppAndDatabase } from '#tests/running-step.ts';
import { sessionRoutes } from '#tests/session-routes.ts';
import { describeStore } from '#tests/store-contract.ts';
import { callbackOf, getSession, load, newSession } from '#tests/store-methods.ts';
import { emptyDatabase, libraryDepartures, onKnex } from '#tests/store-on-knex.ts';
import { temporaryFolder } from '#tests/temporary.ts';
import { createApp } from './app.ts';
import { SessionStore } from './store.ts';

const step: CreateAppAndDatabase = {
  openDatabase,
  createApp: (parts) => createApp({ ...parts, store: new SessionStore({ knex: parts.knex }) }),
};

describeLogin(step);

describe('a logout is final', () => {
  test('when another request of the same user ends after it', async () => {
    const { store } = await emptyStore();
    const { post, me, startUpload } = await sessionRoutes(store);
    const { cookie } = await post('/login');
    const finishUpload = await startUpload(cookie);
    expect((await post('/destroy', cookie)).status).toBe(204);
    expect(await finishUpload(), 'the upload itself').toBe(204);
    expect(
      await me(cookie),
      'logged in again: save a loaded session with update, never insert. Chapter 6, The code',
    ).toBe(401);
  });

  test('when the login request saves the session again', async () => {
    const { store, get } = await emptyStore();
    const session = newSession({ userId: 1 });
    await callbackOf((done) => store.set('a', session, done));
    await callbackOf((done) => store.destroy('a', done));
    await callbackOf((done) => store.set('a', session, done));
    const advice = 'once inserted, a session counts as loaded: chapter 6, The code';
    expect(await get('a'), advice).toBeNull();
  });

  test('and so is the expiry', async () => {
    const clock = stopClock();
    const { store, get } = await emptyStore();
    await callbackOf((done) => store.set('a', newSession({}, HOUR), done));
    const late = await load(store, 'a');
    await clock.advance(HOUR + 1000);
    late.cookie.maxAge = HOUR; // as express-session does at the end of each request
    await callbackOf((done) => store.set('a', late, done));
    expect(await get('a'), 'update live rows only: chapter 6, The code').toBeNull();
  });

  test('and a session whose cookie ends with the browser expires after a day', async () => {
    const clock = stopClock();
    const { store, get } = await emptyStore();
    const session = newSession();
    Object.assign(session.cookie, { expires: null, maxAge: undefined });
    await callbackOf((done) => store.set('a', session, done));
    await clock.advance(24 * HOUR - 1000);
    expect(
      await get('a'),
      'gone within a day: give a session whose cookie has no date a day. Chapter 6, the second hint',
    ).not.toBeNull();
    await clock.advance(2000);
    expect(await get('a'), 'still there after a day: chapter 6, the second hint').toBeNull();
  });

  test('but a loaded session that is saved under another id is a new session', async () => {
    const { store, get } = await emptyStore();
    await callbackOf((done) => store.set('a', newSession({ userId: 1 }), done));
    const loaded = await load(store, 'a');
    await callbackOf((done) => store.set('b', loaded, done));
    const advice = 'not saved: remember the id for which it was loaded. Chapter 6, The code';
    expect(await get('b'), advice).toMatchObject({ userId: 1 });
  });
});

describe('calls on one session keep their order, even when nothing waits for them', () => {
  const pairs: [what: string, userId: number | undefined, call: (store: SessionStore) => void][] = [
    ['save, then read', 2, (store) => store.set('a', newSession({ userId: 2 }))],
    ['log out, then read', undefined, (store) => store.destroy('a')],
    [
      'save, then log out',
      undefined,
      (store) => {
        store.set('a', newSession({ userId: 2 }));
        store.destroy('a');
      },
    ],
    [
      'log out, then save a new session',
      2,
      (store) => {
        store.destroy('a');
        store.set('a', newSession({ userId: 2 }));
      },
    ],
    [
      'save twice',
      3,
      (store) => {
        store.set('a', newSession({ userId: 2 }));
        store.set('a', newSession({ userId: 3 }));
      },
    ],
    [
      'change, save, change back, save',
      1,
      (store) => {
        const session = newSession({ userId: 2 });
        store.set('a', session);
        store.set('a', Object.assign(session, { userId: 1 }));
      },
    ],
  ];
  test.each(pairs)('%s', async (_what, userId, call) => {
    const { store, get } = await emptyStore();
    for (let round = 0; round < 20; round++) {
      await callbackOf((done) => store.set('a', newSession({ userId: 1 }), done));
      if (round % 2) void store.length(() => {}); // makes the first call wait for its turn
      call(store);
      const found = await get('a');
      expect(
        found?.userId,
        'out of order: pass all work through one queue. Chapter 6, The code',
      ).toBe(userId);
    }
  });

  test('a save stores the session as it was at the call', async () => {
    const { store, get } = await emptyStore();
    const session = newSession({ userId: 1 });
    void store.length(() => {}); // makes the save wait for its turn
    void store.set('a', session);
    Object.assign(session, { userId: 2 });
    const advice = 'turn the session into text before its turn comes: chapter 6, The code';
    expect((await get('a'))?.userId, advice).toBe(1);
  });

  test('the request after a redirect sees the change, even if nothing waited for the save', async () => {
    const { store } = await emptyStore();
    const { post, me } = await sessionRoutes(store);
    for (let round = 0; round < 20; round++) {
      const { cookie } = await post('/login');
      expect(await me(cookie), 'the login is not visible yet').toBe(200);
      await post('/logout', cookie);
      expect(await me(cookie), 'the logout is not visible yet').toBe(401);
    }
  });

  test('work is skipped when its caller has given up', async () => {
    const { knex, store } = await emptyStore();
    const held = await knex.transaction(); // the only connection
    const calls = Array.from({ length: 10 }, () => callbackOf((done) => store.get('a', done)));
    const errors = (await Promise.all(calls)).map(([call]) => call?.[0]);
    expect(errors.every((error) => error instanceof Error)).toBe(true);
    const reads: string[] = [];
    knex.on('query', ({ sql }) => sql.startsWith('select `sess`') && reads.push(sql));
    await held.rollback();
    await store.close(); // waits for work in progress
    const advice =
      'the queue did work whose callers had given up. Skip it: chapter 6, the third hint';
    expect(reads.length, advice).toBeLessThanOrEqual(1);
  });
});

describeFailingStore(step, SessionStore);

describeUsers(import.meta.dirname, SessionStore);

describeStore(
  '06-logout-wins',
  async () => {
    const { knex, remove } = await emptyDatabase(openDatabase);
    const store = new SessionStore({ knex, cleanupInterval: 0 });
    await callbackOf((done) => store.length(done));
    return onKnex(store, knex, async () => {
      await store.close();
      await remove();
    });
  },
  { departures: libraryDepartures },
);

describePersistence(step);

/** A store on an empty database. Both are closed when the test ends. */
async function emptyStore() {
  const knex = await openDatabase(`file:${await temporaryFolder()}/test.sqlite3`);
  onTestFinished(() => knex.destroy());
  const store = new SessionStore({ knex, cleanupInterval: 0 });
  onTestFinished(() => store.close());
  const get = (sid: string) => getSession(store, sid);
  return { knex, store, get };
}
