import type { Knex } from 'knex';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import * as step05 from '#steps/05-failing-database/database.ts';
import { HOUR, stopClock } from '#tests/clock.ts';
import { describeFailingDatabase } from '#tests/failing-database.ts';
import { describeLogin, loggedIn } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import type { CreateAppAndDatabase } from '#tests/running-step.ts';
import { importFile } from '#tests/step-file.ts';
import { describeStore } from '#tests/store-contract.ts';
import {
  callbackOf,
  captureErrorLog,
  expectOneLine,
  getSession,
  load,
  newSession,
} from '#tests/store-methods.ts';
import { emptyDatabase, onKnex } from '#tests/store-on-knex.ts';
import { temporaryFolder } from '#tests/temporary.ts';
import { createApp } from './app.ts';
import { SessionStore } from './store.ts';

const MINUTE = 60_000;
const DAY = 24 * HOUR;

// Until you write database.ts, that of step 05 is used.
const { openDatabase } = await importFile<Pick<typeof step05, 'openDatabase'>>(
  import.meta.dirname,
  'database.ts',
  () => step05,
);

const step: CreateAppAndDatabase = {
  openDatabase,
  createApp: (parts) => createApp({ ...parts, store: new SessionStore({ knex: parts.knex }) }),
};

describeLogin(step);

describe('a read', () => {
  test('writes nothing: 100 requests within a minute leave the database unchanged', async () => {
    const { server, browser } = await loggedIn(step);
    const before = await changes(server.knex);
    for (let read = 0; read < 100; read++) await browser.whoAmI();
    const advice =
      'a read writes. In touch, skip a write that moves the expiry by less than a minute: chapter 7, The code';
    expect((await changes(server.knex)) - before, advice).toBe(0);
  });

  test('writes nothing for the millisecond that express-session sometimes loses', async () => {
    const { knex, store } = await emptyStore();
    await call((done) => store.set('a', newSession({}, DAY), done));
    const before = await changes(knex);
    await request(store, 'a', DAY - 1);
    const advice = 'compare the cookie without originalMaxAge: chapter 7, The code';
    expect((await changes(knex)) - before, advice).toBe(0);
  });

  test('saves it when the cookie now ends with the browser', async () => {
    const { store } = await emptyStore();
    await call((done) => store.set('a', newSession({}, DAY), done));
    const session = await load(store, 'a');
    session.cookie.expires = null;
    await call((done) => store.touch('a', session, done));
    const advice = 'compare whether the cookie has a date: chapter 7, The code';
    expect((await getSession(store, 'a'))?.cookie.expires, advice).toBeNull();
  });

  test('moves the expiry once a minute, so a session ends up to a minute early and never late', async () => {
    const clock = stopClock();
    const { store, left } = await emptyStore();
    await call((done) => store.set('a', newSession({}, DAY), done));
    await clock.advance(MINUTE - 1000);
    await request(store, 'a');
    expect(await left('a'), 'moved too early: a step is a minute. Chapter 7, The code').toBe(
      DAY - MINUTE + 1000,
    );
    await clock.advance(1000);
    await request(store, 'a');
    expect(await left('a'), 'not moved after a minute. Move it then: chapter 7, The code').toBe(
      DAY,
    );
  });

  test('moves the expiry of a short session in steps of a tenth of its lifetime', async () => {
    const clock = stopClock();
    const { store } = await emptyStore();
    await call((done) => store.set('a', newSession({}, 10_000), done));
    for (let second = 1; second <= 30; second++) {
      await clock.advance(1000);
      const advice = `a session of 10 s was over after ${second} s of use. Let a step be at most a tenth of the time left: chapter 7, The code`;
      expect(await getSession(store, 'a'), advice).not.toBeNull();
      await request(store, 'a');
    }
  });

  test.each([
    ['longer', 30 * DAY],
    ['shorter', HOUR],
  ])('saves a %s lifetime of the cookie, so later requests keep it', async (_what, maxAge) => {
    const { store, left } = await emptyStore();
    await call((done) => store.set('a', newSession({}, DAY), done));
    await request(store, 'a', maxAge);
    await request(store, 'a');
    const minutes = Math.round(((await left('a')) ?? 0) / MINUTE);
    expect(minutes, 'the new lifetime is lost: compare it with the row. Chapter 7, The code').toBe(
      maxAge / MINUTE,
    );
  });

  test('saves a changed cookie even if its lifetime is the same', async () => {
    const { store } = await emptyStore();
    await call((done) => store.set('a', newSession({}, DAY), done));
    const session = await load(store, 'a');
    session.cookie.sameSite = 'strict';
    await call((done) => store.touch('a', session, done));
    const advice = 'compare the cookie as well as the expiry: chapter 7, The code';
    expect((await getSession(store, 'a'))?.cookie.sameSite, advice).toBe('strict');
  });

  test('keeps a session whose cookie ends with the browser for a day after its last use', async () => {
    const clock = stopClock();
    const { store } = await emptyStore();
    const session = newSession();
    Object.assign(session.cookie, { expires: null, originalMaxAge: null, maxAge: undefined });
    await call((done) => store.set('a', session, done));
    for (let day = 0; day < 3; day++) {
      await clock.advance(DAY - MINUTE);
      expect(
        await getSession(store, 'a'),
        `gone on day ${day + 1}, though used. Let a touch give it another day: chapter 7, The code`,
      ).not.toBeNull();
      await request(store, 'a');
    }
    await clock.advance(DAY);
    expect(
      await getSession(store, 'a'),
      'still there a day after its last use: chapter 7, The code',
    ).toBeNull();
  });

  test('does not revive a session that has expired meanwhile', async () => {
    const clock = stopClock();
    const { store } = await emptyStore();
    await call((done) => store.set('a', newSession({}, HOUR), done));
    const late = await load(store, 'a');
    await clock.advance(HOUR + 1000);
    late.cookie.maxAge = HOUR;
    await call((done) => store.touch('a', late, done));
    expect(await getSession(store, 'a'), 'touch live rows only: chapter 7, The code').toBeNull();
  });

  test.each([
    ['that is not JSON', '{"userId":grace}'],
    ['that is not an object', '"grace"'],
    ['that holds null', 'null'],
    ['without a cookie', '{"name":"grace"}'],
    ['whose cookie is null', '{"name":"grace","cookie":null}'],
    ['whose cookie is text', '{"name":"grace","cookie":"sid"}'],
  ])('ignores a row %s, and logs that without showing it', async (what, sess) => {
    const { server, browser } = await loggedIn(step);
    const logged = captureErrorLog();
    await server.knex('sessions').update({ sess });
    const answer = await browser.get('/api/me');
    const advice = `a row ${what} holds no session: chapter 7, the second hint`;
    expect(answer.status, advice).toBe(401);
    expectOneLine(logged(), ['grace', browser.sessionId], 'a row that holds no session');
  });

  test('agrees with all and length, which leave out expired sessions', async () => {
    const clock = stopClock();
    const { store } = await emptyStore();
    await call((done) => store.set('old', newSession({}, HOUR), done));
    await clock.advance(2 * HOUR);
    await call((done) => store.set('a', newSession({ userId: 1 }, HOUR), done));
    await clock.advance(HOUR / 2);
    await request(store, 'a');
    const found = await getSession(store, 'a');
    expect(
      found?.cookie.expires,
      "take the cookie's date from the column, as a Date: chapter 7, the second hint",
    ).toEqual(new Date(Date.now() + HOUR));
    const listed = await call((done) => store.all(done));
    expect(listed, 'list live rows only: chapter 7, The code').toHaveLength(1);
    expect(
      listed,
      "all and get disagree about the cookie's date: let both go through the same code. Chapter 7, The code",
    ).toEqual([found]);
    const advice = 'count live rows only: chapter 7, The code';
    expect(await call((done) => store.length(done)), advice).toBe(1);
  });
});

test('a save stores the session as it was at the call', async () => {
  const { store } = await emptyStore();
  const session = newSession({ userId: 1 });
  void store.length(() => {}); // makes the save wait for its turn
  void store.set('a', session);
  Object.assign(session, { userId: 2 });
  const advice = 'turn the session into text before its turn comes: chapter 7, The code';
  expect(await getSession(store, 'a'), advice).toMatchObject({ userId: 1 });
});

describe('SQLite, set up for a server', () => {
  test.each([
    [
      'writes ahead to a log, so readers and a writer do not wait for each other',
      'journal_mode',
      'wal',
    ],
    ['does not wait for the disk at each commit', 'synchronous', 1],
    ['waits up to 250 ms for another writer', 'busy_timeout', 250],
  ])('%s', async (_what, pragma, value) => {
    const { knex } = await emptyStore();
    const [row] = await knex.raw(`pragma ${pragma}`);
    const advice = `write database.ts with PRAGMA ${pragma}: chapter 7, The code`;
    expect(Object.values(row), advice).toEqual([value]);
  });
});

describe('pruning', () => {
  test('deletes expired rows as soon as the server starts', async () => {
    const { knex } = await emptyStore();
    await addExpired(knex, 1);
    const store = new SessionStore({ knex });
    const advice = 'prune once in the constructor: chapter 7, the third hint';
    await vi.waitFor(async () => expect(await knex('sessions'), advice).toEqual([]));
    await store.close();
  });

  test('finds expired rows by the index on their expiry, and reads no live row', async () => {
    const { knex, store } = await emptyStore();
    const queries: { sql: string; bindings: string[] }[] = [];
    knex.on('query', (query) => queries.push(query));
    await store.prune?.();
    const [prune] = queries;
    expect(prune?.sql ?? 'no query', 'write prune(): chapter 7, the third hint').toMatch(/^delete/);
    const plan = await knex.raw(`explain query plan ${prune?.sql}`, prune?.bindings ?? []);
    const details = plan.map(({ detail }: { detail: string }) => detail).join('\n');
    const advice = 'compare `expired` as it is, or SQLite reads every row: chapter 7, The code';
    expect(details, advice).toContain('USING INDEX sessions_expired_index (expired<?)');
    expect(details, advice).not.toMatch(/SCAN sessions/);
  });

  test('deletes 100 rows at a time, with a pause in which others can write', async () => {
    const { knex, store } = await emptyStore();
    await addExpired(knex, 250);
    const batches: number[] = [];
    const pauses: number[] = [];
    let ended = Number.NEGATIVE_INFINITY;
    knex.on('query', ({ sql }) => {
      if (sql.startsWith('delete')) pauses.push(performance.now() - ended);
    });
    knex.on('query-response', (deleted: unknown) => {
      batches.push(Number(deleted));
      ended = performance.now();
    });
    await store.prune();
    expect(batches, 'delete 100 rows at a time: chapter 7, the third hint').toEqual([100, 100, 50]);
    const advice = 'pause for 10 ms after each batch: chapter 7, the third hint';
    expect(Math.min(...pauses), advice).toBeGreaterThan(8);
  });

  test('does not overlap with itself', async () => {
    const { knex, store } = await emptyStore();
    await addExpired(knex, 150);
    let deletions = 0;
    knex.on('query', ({ sql }) => {
      if (sql.startsWith('delete')) deletions += 1;
    });
    await Promise.all([store.prune(), store.prune(), store.prune()]);
    expect(
      deletions,
      'a call during a run returns the promise of that run: chapter 7, the third hint',
    ).toBe(2);
  });

  test('that fails logs one line, and is tried again an hour later', async () => {
    const clock = stopClock();
    const { knex, store } = await emptyStore({});
    const logged = captureErrorLog();
    await addExpired(knex, 1);
    await knex.schema.renameTable('sessions', 'away');
    await store.prune();
    expectOneLine(logged(), [], 'a pruning that failed');
    expect(logged()[0], 'say why it failed: log the reason of the error').toContain(
      'no such table',
    );
    await knex.schema.renameTable('away', 'sessions');
    await clock.advance(HOUR);
    await settle(knex);
    expect(
      await knex('sessions'),
      'prune at the interval, also after a failure: chapter 7, the third hint',
    ).toEqual([]);
  });

  test('stops between two batches when the store closes, and leaves no timer', async () => {
    stopClock();
    const { knex } = await emptyStore();
    await addExpired(knex, 2000);
    const timers = vi.getTimerCount();
    const other = new SessionStore({ knex }); // prunes at once
    let isClosed = false;
    const closing = other.close().then(() => {
      isClosed = true;
    });
    // The pause between two batches may be a timer of the stopped clock.
    const deadline = performance.now() + 10_000;
    while (!isClosed && performance.now() < deadline) {
      await vi.advanceTimersByTimeAsync(10);
      await new Promise(setImmediate);
    }
    expect(isClosed, 'close never ends: chapter 7, the third hint').toBe(true);
    await closing;
    const left = await knex('sessions').pluck('sid');
    expect(
      left.length,
      'close waited for all batches. Let it stop after the batch in progress: chapter 7, the third hint',
    ).toBeGreaterThan(0);
    expect(
      vi.getTimerCount(),
      'a timer was left. Clear it in close: chapter 7, the third hint',
    ).toBe(timers);
  });
});

describeFailingDatabase(import.meta.dirname, step, SessionStore);

describeStore('07-cheap-reads', async () => {
  const { knex, remove } = await emptyDatabase(openDatabase);
  const store = new SessionStore({ knex, cleanupInterval: 0 });
  const subject = onKnex(store, knex, remove);
  return { ...subject, close: () => store.close().then(subject.close) };
});

describePersistence(step);

/** A store on an empty database. Both are closed when the test ends. */
async function emptyStore(options: { cleanupInterval?: number } = { cleanupInterval: 0 }) {
  const knex = await openDatabase(`file:${await temporaryFolder()}/test.sqlite3`);
  onTestFinished(() => knex.destroy());
  const store = new SessionStore({ knex, ...options });
  onTestFinished(() => store.close());
  await store.prune?.(); // waits for the pruning at the start
  /** How long a row still has, in milliseconds. */
  const left = async (sid: string) => {
    const row = await knex('sessions').where({ sid }).first('expired');
    return row && Date.parse(row.expired) - Date.now();
  };
  return { knex, store, left };
}

/** What the middleware does for a request that changes nothing, or only the lifetime of the cookie. */
async function request(store: SessionStore, sid: string, maxAge?: number): Promise<void> {
  const session = await load(store, sid);
  // As express-session's own touch does: the lifetime starts again.
  session.cookie.maxAge = maxAge ?? session.cookie.originalMaxAge ?? undefined;
  await call((done) => store.touch(sid, session, done));
}

/** Calls a method, and waits for its result. */
async function call(method: Parameters<typeof callbackOf>[0]): Promise<unknown> {
  const [[error, result] = []] = await callbackOf(method);
  if (error) throw error;
  return result;
}

/** How many rows the connection has written. */
async function changes(knex: Knex): Promise<number> {
  const [{ written }] = await knex.raw('select total_changes() as written');
  return written;
}

async function addExpired(knex: Knex, number: number): Promise<void> {
  await knex.raw(
    `with recursive number(n) as (select 1 union all select n + 1 from number where n < ?)
     insert into sessions (sid, sess, expired) select 'old ' || n, '{}', ? from number`,
    [number, new Date(Date.now() - 1000).toISOString()],
  );
}

/** Waits until the database has done the queries so far. */
async function settle(knex: Knex): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await knex.raw('select 1');
}
