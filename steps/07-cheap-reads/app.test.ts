import { rm } from 'node:fs/promises';
import type { Knex } from 'knex';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { HOUR, moveDate, stopClock } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { captureErrorLog, load, newSession } from '#tests/store-methods.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { SessionStore } from './store.ts';

const MINUTE = 60_000;
const DAY = 24 * HOUR;

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

describe('a read', () => {
  test('writes nothing: 100 requests within a minute leave the database unchanged', async () => {
    const { browser, parts } = await start(createApp, { openDatabase, SessionStore });
    await browser.logIn();
    const before = await changes(parts.knex);
    for (let read = 0; read < 100; read++) await browser.whoAmI();
    expect(await changes(parts.knex)).toBe(before);
  });

  test('writes nothing for the millisecond that express-session sometimes loses', async () => {
    const { knex, store } = await openStore();
    await store.set('a', newSession({}, DAY));
    const before = await changes(knex);
    await request(store, 'a', DAY - 1);
    expect(await changes(knex)).toBe(before);
  });

  test('lets the response go out in one piece', async () => {
    const { store } = await openStore();
    await store.set('a', newSession({}, DAY));
    const session = await load(store, 'a');
    const order: string[] = [];
    // On the next tick, Node sends what express-session has written: all of the response but its last byte.
    process.nextTick(() => order.push('sent'));
    await new Promise<void>((resolve) => store.touch('a', session, () => resolve()));
    order.push('called back');
    expect(order).toEqual(['called back']);
  });

  test('saves it when the cookie now ends with the browser', async () => {
    const { store } = await openStore();
    await store.set('a', newSession({}, DAY));
    const session = await load(store, 'a');
    session.cookie.expires = null;
    await store.touch('a', session);
    expect((await store.get('a'))?.cookie.expires).toBeNull();
  });

  test('moves the expiry once a minute, so a session ends up to a minute early and never late', async () => {
    const { store } = await openStore();
    moveDate(0); // freezes the date
    await store.set('a', newSession({}, DAY));
    moveDate(MINUTE - 1000);
    await request(store, 'a');
    expect(await timeLeft(store, 'a')).toBe(DAY - MINUTE + 1000);
    moveDate(1000);
    await request(store, 'a');
    expect(await timeLeft(store, 'a')).toBe(DAY);
  });

  test('moves the expiry of a short session in steps of a tenth of its lifetime', async () => {
    const { store } = await openStore();
    moveDate(0);
    await store.set('a', newSession({}, 10_000));
    for (let second = 1; second <= 30; second++) {
      moveDate(1000);
      await request(store, 'a');
      expect(await timeLeft(store, 'a')).toBe(10_000);
    }
  });

  test.each([
    ['longer', 30 * DAY],
    ['shorter', HOUR],
  ])('saves a %s lifetime of the cookie, so later requests keep it', async (_what, maxAge) => {
    const { store } = await openStore();
    moveDate(0);
    await store.set('a', newSession({}, DAY));
    await request(store, 'a', maxAge);
    await request(store, 'a');
    expect(await timeLeft(store, 'a')).toBe(maxAge);
  });

  test('moves the expiry back, too, after the clock was ahead', async () => {
    const { store } = await openStore();
    moveDate(24 * HOUR);
    await store.set('a', newSession({}, HOUR));
    moveDate(-24 * HOUR);
    await request(store, 'a');
    expect(await timeLeft(store, 'a')).toBe(HOUR);
  });

  test('saves a changed cookie even if its lifetime is the same', async () => {
    const { store } = await openStore();
    await store.set('a', newSession({}, DAY));
    const session = await load(store, 'a');
    session.cookie.sameSite = 'strict';
    await store.touch('a', session);
    expect((await store.get('a'))?.cookie.sameSite).toBe('strict');
  });

  test('keeps a session whose cookie ends with the browser for a day after its last use', async () => {
    const { store } = await openStore();
    moveDate(0);
    const session = newSession();
    Object.assign(session.cookie, { expires: null, originalMaxAge: null, maxAge: undefined });
    await store.set('a', session);
    for (let day = 1; day <= 3; day++) {
      moveDate(DAY - MINUTE);
      await request(store, 'a');
    }
    moveDate(DAY);
    expect(await store.get('a')).toBeNull();
  });

  test('does not revive a session that has expired meanwhile', async () => {
    const { store } = await openStore();
    await store.set('a', newSession({}, HOUR));
    const late = await load(store, 'a');
    moveDate(HOUR + 1000);
    late.cookie.maxAge = HOUR;
    await store.touch('a', late);
    expect(await store.get('a')).toBeNull();
  });

  test.each([
    ['that is not JSON', '{"userId":grace}'],
    ['that is not an object', '"grace"'],
    ['that holds null', 'null'],
    ['without a cookie', '{"name":"grace"}'],
    ['whose cookie is null', '{"name":"grace","cookie":null}'],
    ['whose cookie is text', '{"name":"grace","cookie":"sid"}'],
  ])('ignores a row %s, and logs that without showing it', async (_what, sess) => {
    const { knex, store } = await openStore();
    await store.set('a', newSession());
    await knex('sessions').update({ sess });
    const logged = captureErrorLog();
    expect(await store.get('a')).toBeNull();
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).not.toContain('grace');
  });
});

test('a save stores the session as it was at the call', async () => {
  const { store } = await openStore();
  const session = newSession({ userId: 1 });
  void store.length(); // makes the save wait for its turn
  void store.set('a', session);
  Object.assign(session, { userId: 2 });
  expect(await store.get('a')).toMatchObject({ userId: 1 });
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
    const { parts } = await start(createApp, { openDatabase, SessionStore }); // with a file
    const [row] = await parts.knex.raw(`pragma ${pragma}`);
    expect(Object.values(row)).toEqual([value]);
  });
});

describe('pruning', () => {
  test('deletes expired rows as soon as the server starts', async () => {
    const { knex } = await openStore();
    await addExpired(knex, 1);
    const store = new SessionStore({ knex });
    await expect.poll(() => knex('sessions')).toEqual([]);
    await store.close();
  });

  test('finds expired rows by the index on their expiry, and reads no live row', async () => {
    const { knex, store } = await openStore();
    const queries: { sql: string; bindings: string[] }[] = [];
    knex.on('query', (query) => queries.push(query));
    await store.prune();
    const { sql = '', bindings = [] } = queries[0] ?? {};
    expect(sql).toMatch(/^delete/);
    const plan = await knex.raw(`explain query plan ${sql}`, bindings);
    const details = plan.map(({ detail }: { detail: string }) => detail).join('\n');
    expect(details).toContain('USING INDEX sessions_expired_index (expired<?)');
    expect(details).not.toMatch(/SCAN sessions/);
  });

  test('deletes 100 rows at a time, with a pause in which others can write', async () => {
    const { knex, store } = await openStore();
    await addExpired(knex, 250);
    const batches: unknown[] = [];
    const pauses: number[] = [];
    let ended = Number.NEGATIVE_INFINITY;
    knex.on('query', () => pauses.push(performance.now() - ended));
    knex.on('query-response', (deleted: unknown) => {
      batches.push(deleted);
      ended = performance.now();
    });
    await store.prune();
    expect(batches).toEqual([100, 100, 50]);
    expect(Math.min(...pauses)).toBeGreaterThan(8);
  });

  test('does not overlap with itself', async () => {
    const { knex, store } = await openStore();
    await addExpired(knex, 150);
    const query = vi.fn();
    knex.on('query', query);
    await Promise.all([store.prune(), store.prune(), store.prune()]);
    expect(query).toHaveBeenCalledTimes(2);
  });

  test('that fails logs one line, and is tried again an hour later', async () => {
    const clock = stopClock();
    const { knex, store } = await openStore({});
    const logged = captureErrorLog();
    await addExpired(knex, 1);
    await knex.schema.renameTable('sessions', 'away');
    await store.prune();
    expect(logged()).toEqual([expect.stringContaining('no such table')]);
    await knex.schema.renameTable('away', 'sessions');
    await clock.advance(HOUR);
    await expect.poll(() => knex('sessions')).toEqual([]);
  });

  test('stops between two batches when the store closes, and leaves no timer', async () => {
    const clock = stopClock();
    const { knex } = await openStore();
    await addExpired(knex, 2000);
    const timers = vi.getTimerCount();
    const store = new SessionStore({ knex }); // prunes at once
    const closed = vi.fn();
    void store.close().then(closed);
    await expect.poll(() => clock.advance(10).then(() => closed)).toHaveBeenCalled();
    expect(await knex('sessions').pluck('sid')).not.toEqual([]);
    expect(vi.getTimerCount()).toBe(timers);
  });
});

/** A store on a database in memory. Both are closed when the test has finished. */
async function openStore(options: { cleanupInterval?: number } = { cleanupInterval: 0 }) {
  const knex = await openDatabase('file::memory:');
  onTestFinished(() => knex.destroy());
  const store = new SessionStore({ knex, ...options });
  onTestFinished(() => store.close());
  await store.prune(); // joins the run at the start
  return { knex, store };
}

/** What the middleware does for a request that changes nothing, or only the lifetime of the cookie. */
async function request(store: SessionStore, sid: string, maxAge?: number): Promise<void> {
  const session = await load(store, sid);
  // As express-session's own touch does: the lifetime starts again.
  session.cookie.maxAge = maxAge ?? session.cookie.originalMaxAge ?? undefined;
  await store.touch(sid, session);
}

/** How long a session still has, in milliseconds. */
async function timeLeft(store: SessionStore, sid: string): Promise<number> {
  const session = await store.get(sid);
  return Number(session?.cookie.expires) - Date.now();
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
