import type { Knex } from 'knex';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { DatabaseError } from '#database/open.ts';
import { type Protection, readProtection } from '#steps/08-hardened/settings.ts';
import { describeAttacks } from '#tests/attacks.ts';
import { HOUR, moveDate, stopClock } from '#tests/clock.ts';
import { describeFailingDatabase } from '#tests/failing-database.ts';
import { describeLogin, loggedIn, registered } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import { makePostgresDatabase, setDatabaseClocks } from '#tests/postgres.ts';
import type { CreateAppAndDatabase } from '#tests/running-step.ts';
import { describeStore } from '#tests/store-contract.ts';
import { callbackOf, captureErrorLog, getSession, load, newSession } from '#tests/store-methods.ts';
import { emptyDatabase, onKnex } from '#tests/store-on-knex.ts';
import { runSql, temporaryEnvironment } from '#tests/temporary.ts';
import { ada, replay } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { joinDatabase, openDatabase } from './database.ts';
import { SessionStore } from './store.ts';

const MINUTE = 60_000;

/** The step with its development defaults, except for some changes. The first process has already made the tables. */
function hardened(changes: Partial<Protection> = {}): CreateAppAndDatabase {
  return {
    store: 'postgresql',
    openDatabase: joinDatabase,
    createApp: ({ knex, users, secret }) => {
      const protection = { ...readProtection({}, { secret, production: false }), ...changes };
      const store = new SessionStore({ knex, idleTimeout: protection.idleTimeout });
      return createApp({ knex, store, users, protection });
    },
  };
}

const step = hardened();

// For the tests that earlier steps share, whose sessions live for a day.
const forADay = hardened({ idleTimeout: 24 * HOUR, absoluteTimeout: 7 * 24 * HOUR });

describe('the tables', () => {
  test('are created by the first process, and used by each server', async () => {
    const { url, remove } = await makePostgresDatabase(false);
    onTestFinished(remove);
    expect(joinDatabase, 'write joinDatabase in database.ts: chapter 9, The code').toBeTypeOf(
      'function',
    );
    await (await openDatabase(url)).destroy();
    const knex = await joinDatabase(url);
    onTestFinished(() => knex.destroy());
    for (const table of ['users', 'sessions', 'devices', 'attempts']) {
      expect(await knex(table), table).toEqual([]);
    }
  });

  test('are created once, however many processes start at the same moment on an empty database', async () => {
    const { url, remove } = await makePostgresDatabase(false);
    onTestFinished(remove);
    const opened = await Promise.all(Array.from({ length: 3 }, () => openDatabase(url)));
    for (const knex of opened) {
      expect(await knex('sessions')).toEqual([]);
      await knex.destroy();
    }
  });

  test('are brought up to date even if a killed process has left its lock', async () => {
    const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
    await runSql(
      url,
      `alter table sessions drop column ends;
       delete from knex_migrations where name = '004-one-clock';
       update knex_migrations_lock set is_locked = 1`,
    );
    const knex = await openDatabase(url);
    onTestFinished(() => knex.destroy());
    expect(await knex.schema.hasColumn('sessions', 'ends'), 'not up to date').toBe(true);
    expect(await knex('knex_migrations_lock').pluck('is_locked'), 'still locked').toEqual([0]);
  });

  test.each([
    [
      'too old',
      "delete from knex_migrations where name like '004%'",
      /004-one-clock is missing\. Run npm run migrate first\.$/,
    ],
    [
      'too new',
      "insert into knex_migrations (name) values ('005-of-tomorrow')",
      /it does not know 005-of-tomorrow\. Start a newer version\.$/,
    ],
  ])('that are %s are refused by a server, in one sentence', async (what, sql, advice) => {
    const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
    await runSql(url, sql);
    const error = await joinDatabase(url).then(String, (error) => error);
    expect(
      error,
      'the server starts. Check the tables in joinDatabase: chapter 9, The code',
    ).toBeInstanceOf(DatabaseError);
    expect(error.message).toMatch(new RegExp(`^The tables are ${what} for this server: `));
    expect(error.message).toMatch(advice);
  });
});

describe('several servers', () => {
  test('that save one new session at the same moment all succeed', async () => {
    const { url, knex } = await joined();
    const other = await join(url);
    // Each store is one server's: it keeps the order of its own calls only.
    const saves = Array.from({ length: 100 }, (_, number) => {
      const store = new SessionStore({ knex: number % 2 ? knex : other, cleanupInterval: 0 });
      return callbackOf((done) => store.set('a', newSession({ userId: number }), done));
    });
    const errors = (await Promise.all(saves)).map(([call]) => call?.[0]);
    const advice = 'insert with onConflict: chapter 9, The code';
    expect(errors.find(Boolean) ?? null, advice).toBeNull();
    expect(await knex('sessions')).toHaveLength(1);
  });

  const behind = -10 * MINUTE;
  const ahead = 10 * MINUTE;
  test('whose clocks differ by ten minutes agree on when a session expires', async () => {
    const { server, browser, at } = await atTimes();
    for (const [first, second] of [
      [behind, ahead],
      [ahead, behind],
      [0, ahead],
      [0, behind],
    ] as const) {
      at(0, first);
      await browser.logIn(ada);
      const { cookie = '' } = browser;
      at(29 * MINUTE, second);
      const advice = 'judged by the clock of a server. Compare with now(): chapter 9, The code';
      expect((await replay(server.url, cookie)).status, advice).toBe(200);
      at(29 * MINUTE + 31 * MINUTE, second);
      expect((await replay(server.url, cookie)).status, advice).toBe(401);
    }
  });

  test.each([
    ['behind', behind],
    ['ahead', ahead],
  ])(
    'give a new session its full lifetime when their clock is ten minutes %s',
    async (_what, skew) => {
      const { store } = await joined();
      moveDate(0); // freezes the date
      const start = Date.now();
      vi.setSystemTime(start + skew);
      await callbackOf((done) => store.set('a', newSession({}, HOUR), done));
      setDatabaseClocks(new Date(start + HOUR - 1000));
      expect(await getSession(store, 'a'), 'expired too early').not.toBeNull();
      setDatabaseClocks(new Date(start + HOUR + 1000));
      expect(await getSession(store, 'a'), 'expired too late').toBeNull();
    },
  );

  test('whose clocks differ agree on the absolute timeout of a busy session', async () => {
    const { server, browser, at } = await atTimes();
    const advice = 'judged by the clock of a server. Keep its end in a column: chapter 9, The code';
    for (const [first, second] of [
      [behind, ahead],
      [ahead, behind],
    ] as const) {
      at(0, first);
      await browser.logIn(ada);
      const { cookie = '' } = browser;
      for (let time = 29 * MINUTE; time < 12 * HOUR; time += 29 * MINUTE) {
        at(time, time % (58 * MINUTE) ? second : first);
        expect(
          (await replay(server.url, cookie)).status,
          `${(time / HOUR).toFixed(1)} hours: ${advice}`,
        ).toBe(200);
      }
      at(12 * HOUR - 1000, second);
      expect((await replay(server.url, cookie)).status, `too early: ${advice}`).toBe(200);
      at(12 * HOUR + 1000, second);
      expect((await replay(server.url, cookie)).status, `too late: ${advice}`).toBe(401);
    }
  });

  test('that change one account at the same moment do not deadlock: one of them wins', async () => {
    const { server, browser } = await registered(step);
    for (let round = 0; round < 5; round++) {
      const { password } = ada;
      if (round > 0) await browser.register(ada);
      const devices = [server.browser(), server.browser(), server.browser()];
      for (const device of devices) await device.logIn(ada);
      const statuses = devices.map(async (device) => {
        return (await device.delete('/api/account', { password })).status;
      });
      expect((await Promise.all(statuses)).sort()).toEqual([204, 401, 401]);
    }
  });

  test('do not accept an old password while one of them is changing it', async () => {
    const { server } = await registered(step);
    const change = await server.knex.transaction();
    await change('users').update({ password_hash: 'another' });
    await change('sessions').delete(); // and then the login saves its session
    const login = server
      .browser()
      .logIn(ada)
      .then(({ status }) => status);
    const waiting = { message: 'the login did not wait for the change', timeout: 10_000 };
    await expect.poll(() => waitingQueries(server.knex), waiting).toBe(1);
    await change.commit();
    expect(await login, 'logged in with the old password').toBe(401);
    const stored = { message: 'its session is still stored' };
    await expect.poll(() => server.knex('sessions'), stored).toEqual([]);
  });

  test('that prune at once delete each expired row once', async () => {
    const { url, knex, store } = await joined();
    const other = await join(url);
    await addExpired(knex, 1000);
    await callbackOf((done) => store.set('a', newSession(), done));
    const deleted: number[] = [];
    for (const pool of [knex, other]) {
      pool.on('query-response', (response) =>
        deleted.push(typeof response === 'number' ? response : response.rowCount),
      );
    }
    const logged = captureErrorLog();
    const stores = [store, new SessionStore({ knex: other, cleanupInterval: 0 })];
    await Promise.all(stores.map((store) => store.prune()));
    expect(logged()).toEqual([]);
    expect(deleted.reduce((sum, count) => sum + count)).toBe(1000);
    expect(await knex('sessions'), 'a live session was deleted').toHaveLength(1);
  });

  test('that prune do not wait for rows that another one is deleting', async () => {
    const { knex, store } = await joined();
    await addExpired(knex, 3);
    const other = await begin(knex);
    await other('sessions').where('sid', 'like', '%1').delete();
    const logged = captureErrorLog();
    await store.prune(); // if it waited, it would wait until PostgreSQL ends the statement
    await other.rollback();
    expect(logged(), 'it waited. Skip locked rows: chapter 9, The code').toEqual([]);
    expect(await knex('sessions').pluck('sid')).toEqual(['old 1']);
  });
});

describe('one server', () => {
  test('does the work on one session in order, and on other sessions meanwhile', async () => {
    const { knex, store } = await joined();
    for (const sid of ['a', 'b']) await callbackOf((done) => store.set(sid, newSession(), done));
    const busy = await begin(knex); // the first call waits for it
    await busy('sessions')
      .where({ sid: store.storedId('a') })
      .forUpdate();
    const order: string[] = [];
    const session = Object.assign(await load(store, 'a'), { userId: 2 });
    const calls = [
      store.set('a', session, () => order.push('saved')),
      store.get('a', (_error, session) => order.push(`read ${session?.userId}`)),
      store.destroy('a', () => order.push('destroyed')),
    ];
    const other = await getSession(store, 'b').catch(String);
    const meanwhile = [...order];
    await busy.rollback();
    const own = 'b waited for a. Give each session its queue: chapter 9, The code';
    expect({ other, meanwhile }, own).toMatchObject({ other: { cookie: {} }, meanwhile: [] });
    await Promise.all(calls);
    await new Promise(setImmediate);
    const advice =
      'out of order: pass all work on a session through its queue. Chapter 9, The code';
    expect(order, advice).toEqual(['saved', 'read 2', 'destroyed']);
  });

  test.each([
    ['the same cookie', HOUR],
    ['another cookie', 2 * HOUR],
  ])('moves the expiry of a session that holds any text, with %s', async (_what, maxAge) => {
    const clock = stopClock();
    const { store } = await joined();
    const text = 'a NUL: \u0000, and { "cookie": \\u0000 }';
    const session = newSession({ text });
    await callbackOf((done) => store.set('a', session, done));
    await clock.advance(HOUR / 2);
    const loaded = await load(store, 'a');
    loaded.cookie.maxAge = maxAge;
    const logged = captureErrorLog();
    await callbackOf((done) => store.touch('a', loaded, done));
    expect(logged(), 'jsonb has no \\u0000: chapter 9, The code').toEqual([]);
    const found = await getSession(store, 'a');
    expect(found).toMatchObject({ text });
    expect(found?.cookie.expires).toEqual(new Date(Date.now() + maxAge));
  });

  test('survives when PostgreSQL ends its connections', async () => {
    const { server, browser } = await loggedIn(step);
    captureErrorLog();
    const busy = await begin(server.knex);
    await busy.raw('lock table sessions');
    const waiting = browser.get('/api/me');
    const answer = waiting.then(({ status }) => status);
    const options = { timeout: 10_000 };
    await expect.poll(() => waitingQueries(server.knex), options).toBe(1);
    await busy.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
    expect(await answer, 'a lost connection is a 503: chapter 9, The code').toBe(503);
    await busy.rollback();
    // The end of other connections may not have been noticed yet.
    await expect.poll(async () => (await browser.get('/api/me')).status, options).toBe(200);
  });

  test('has PostgreSQL stop each statement after two seconds, and each idle transaction after five', async () => {
    const { knex } = await joined();
    for (const [timeout, value] of [
      ['statement_timeout', '2s'], // as long as a request waits
      ['idle_in_transaction_session_timeout', '5s'],
    ] as const) {
      const { rows } = await knex.raw(`show ${timeout}`);
      const advice = 'set it for each connection: chapter 9, The code';
      expect(rows, advice).toEqual([{ [timeout]: value }]);
    }
  });
});

describeLogin(forADay, 'with the browser');

describeAttacks('09-many-servers', hardened);

describeFailingDatabase(import.meta.dirname, forADay, SessionStore);

describeStore('09-many-servers', async () => {
  const { knex, remove } = await emptyDatabase(joinDatabase, 'postgresql');
  const store = new SessionStore({ knex, cleanupInterval: 0, idleTimeout: 24 * HOUR });
  const subject = onKnex(store, knex, remove);
  return { ...subject, close: () => store.close().then(subject.close) };
});

describePersistence(forADay);

/** A server's own connections to a database. They end with the test. */
async function join(url: string): Promise<Knex> {
  const knex = await joinDatabase(url);
  onTestFinished(() => knex.destroy());
  return knex;
}

/** A transaction that ends with the test, if not before. */
async function begin(knex: Knex): Promise<Knex.Transaction> {
  const transaction = await knex.transaction();
  onTestFinished(async () => {
    if (!transaction.isCompleted()) await transaction.rollback();
  });
  return transaction;
}

/** A server's connections to a new database, and its store. */
async function joined() {
  const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
  const knex = await join(url);
  return { url, knex, store: new SessionStore({ knex, cleanupInterval: 0 }) };
}

/** A step, and a function that sets PostgreSQL's clock, and how far the server's own clock is ahead of it. */
async function atTimes() {
  moveDate(0); // freezes the date
  const start = Date.now();
  const { server, browser } = await registered(step);
  let days = 0;
  const at = (time: number, ahead: number) => {
    if (time === 0) days += 1; // so no time occurs twice
    const now = start + days * 24 * HOUR + time;
    setDatabaseClocks(new Date(now));
    vi.setSystemTime(now + ahead);
  };
  return { server, browser, at };
}

async function addExpired(knex: Knex, number: number): Promise<void> {
  await knex.raw(
    `insert into sessions (sid, sess, expired)
       select 'old ' || n, '{}', now() - interval '1 s' from generate_series(1, ?) as n`,
    [number],
  );
}

/** How many queries in this database wait for a lock. */
async function waitingQueries(knex: Knex): Promise<number> {
  const [row] = await knex('pg_stat_activity')
    .where({ wait_event_type: 'Lock' })
    .whereRaw('datname = current_database()')
    .count({ waiting: '*' });
  return Number(row?.waiting);
}
