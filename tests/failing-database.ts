import { setTimeout as pause } from 'node:timers/promises';
import createKnex, { type Knex } from 'knex';
import request from 'supertest';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { reason } from '#database/open.ts';
import { createApp as createStep04 } from '#steps/04-minimal-payload/app.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { ada } from '#tools/browser.ts';
import { HOUR, moveDate, stopClock } from './clock.ts';
import { loggedIn, registered } from './login.ts';
import type { CreateAppAndDatabase } from './running-step.ts';
import { startServerFile } from './step-file.ts';
import {
  callbackOf,
  callEach,
  captureErrorLog,
  expectOneLine,
  newSession,
  type OwnStore,
} from './store-methods.ts';
import { statementsOf, temporaryDatabase } from './temporary.ts';

/** The class of a step's store. */
export interface StoreClass {
  new (options: { knex: Knex; cleanupInterval?: number }): OwnStore;
  prototype: OwnStore;
}

/** Tests what a store does while its database fails, and afterwards. */
export function describeFailingStore(step: CreateAppAndDatabase, SessionStore: StoreClass): void {
  describe('a store whose database fails', () => {
    test('never rejects: an unhandled rejection would end the process', async () => {
      for (const { method, promise } of await callEach(await brokenStore(step, SessionStore))) {
        const advice = `${method} rejects. Report the error through the callback alone: chapter 5, The code`;
        expect(promise, advice).toBe('fulfilled');
      }
    });

    test('calls back exactly once', async () => {
      for (const { method, calls } of await callEach(await brokenStore(step, SessionStore))) {
        const advice = `${method} called back ${calls.length} times: do that once, in one place. Chapter 5, The code`;
        expect(calls.length, advice).toBe(1);
        // A touch comes after the response: an error would only cut that off, so it is logged.
        const [what, expected] =
          method === 'touch'
            ? ['a failed touch called back with an error: log it, and call back with null', null]
            : [`${method} hid its error from the callback: pass it on`, expect.any(Error)];
        expect(calls[0]?.[0] ?? null, `${what}. Chapter 5, The code`).toEqual(expected);
      }
    });

    test("calls back on a later tick, so an exception in the callback is not the store's error", async () => {
      const { store } = await emptyStore(step, SessionStore);
      let called = false;
      await store.get('id', () => {
        called = true;
      });
      const advice = 'called inside the promise: use process.nextTick. Chapter 5, The code';
      expect(called, advice).toBe(false);
      await vi.waitFor(() => expect(called).toBe(true));
    });

    test('works again when the database does', async () => {
      const { knex, store } = await emptyStore(step, SessionStore);
      await callEach(store); // its first clean-up is over
      await knex.schema.renameTable('sessions', 'away');
      const logged = captureErrorLog();
      const late = new SessionStore({ knex }); // made while the table is missing
      expect(late.close, 'write close(): chapter 5, the third hint').toBeTypeOf('function');
      await late.prune?.(); // its first clean-up is over
      for (let turn = 0; turn < 5; turn++) await knex.raw('select 1'); // it looks for the table
      expect(
        await knex.schema.hasTable('sessions'),
        'the store made an empty table of its own. Set createTable to false: chapter 5, the second hint',
      ).toBe(false);
      await knex.schema.renameTable('away', 'sessions');
      for (const { method, calls } of [...(await callEach(store)), ...(await callEach(late))]) {
        const advice = `${method} still fails: a rejected \`ready\` lasts forever. Replace it: chapter 5, the second hint`;
        expect(calls[0]?.[0] ?? null, advice).toBeNull();
      }
      expect(
        logged(),
        'nothing says that the table was missing. Catch the rejected `ready`, and log its message: chapter 5, the second hint',
      ).toContainEqual(expect.stringMatching(/^.*sessions.*$/));
      await late.close();
    });

    const { notSession } = databases[step.store ?? 'sqlite'];
    test(`treats a row that is ${notSession.what} as no session, and logs that without showing it`, async () => {
      const { server, browser } = await loggedInTo(step, SessionStore);
      const logged = captureErrorLog();
      await server.knex('sessions').update({ sess: notSession.sess });
      const { status } = await browser.get('/api/me');
      const advice = 'a corrupt row was an error. Treat it as no session: chapter 5, The code';
      expect(status, advice).toBe(401);
      expectOneLine(logged(), ['grace', browser.sessionId], 'a row that holds no session');
    });

    test('answers a request even if it cannot extend the session, and logs that', async () => {
      const { server, browser } = await loggedInTo(step, SessionStore);
      const logged = captureErrorLog();
      await server.knex.raw(databases[step.store ?? 'sqlite'].failUpdates);
      moveDate(HOUR); // long enough that touch must write
      const who = await Promise.race([
        browser.whoAmI().catch((error) => error.message),
        pause(3000, 'nothing, for three seconds'),
      ]);
      const advice = 'a failed touch must call back with null: chapter 5, The code';
      expect(who, advice).toBe('ada');
      expectOneLine(logged(), [browser.sessionId], 'a failed touch');
      expect(logged()[0], 'say why it failed: log the reason of the error').toContain('full');
    });
  });
}

/** Tests how long the real server.ts waits for a query on the users table. @param folder of the step. */
export function describeUsers(folder: string, SessionStore: StoreClass): void {
  describe('the wait for a user', () => {
    test('is bounded, like the wait for a session', async () => {
      const { app, driver } = await startServerFile(folder, SessionStore);
      captureErrorLog();
      const never = vi.spyOn(driver, 'acquireConnection').mockReturnValue(new Promise(() => {}));
      const login = request(app).post('/api/login').send(demo);
      const answer = await Promise.race([
        login.then(({ status }) => status),
        pause(6000, 'no answer for 6 s'),
      ]);
      never.mockRestore();
      expect(answer, 'give Users the same wait in server.ts: chapter 5, The code').toBe(503);
    });
  });
}

/**
 * Tests what every step from 05 on does when its database fails, and when it starts and stops.
 *
 * @param folder of the step, for its server.ts.
 */
export function describeFailingDatabase(
  folder: string,
  step: CreateAppAndDatabase,
  SessionStore: StoreClass,
): void {
  const { full, outages, mistakes, unknownColumn, lock } = databases[step.store ?? 'sqlite'];
  describeFailingStore(step, SessionStore);

  describe('an outage of the database', () => {
    test('is a 503 that says when to try again, and one line in the log', async () => {
      const { server, browser } = await loggedInTo(step, SessionStore);
      const logged = captureErrorLog();
      await server.knex.schema.renameTable('sessions', 'away');
      for (const path of ['/api/me', '/api/users', '/inspect']) {
        const { status, type, headers, body } = await browser.get(path);
        const advice = `${path}: answer an outage with 503 and Retry-After. Chapter 5, The code`;
        const answer = `${status} ${type} ${headers['retry-after']}`;
        expect(answer, advice).toBe('503 application/json 1');
        expect(body.error, 'say so in the words of chapter 5, Try it').toMatch(
          /^The server cannot reach its database\./,
        );
      }
      expect(logged(), 'log each 503 in one line, as in chapter 5, Try it').toHaveLength(3);
      expect(logged().join(), 'the log shows a session id').not.toContain(browser.sessionId);
      expect((await browser.get('/')).status, 'the page needs no session').toBe(200);
      await server.knex.schema.renameTable('away', 'sessions');
      expect(await browser.whoAmI(), 'everything is back').toBe('ada');
    });

    test('fails a login, which sets no cookie and does not save its session a second time', async () => {
      const { server, browser } = await registered(step);
      captureErrorLog();
      const set = vi.spyOn(server.store, 'set').mockImplementation((_sid, _session, callback) => {
        callback?.(full());
      });
      const { status, headers } = await browser.logIn(ada);
      expect(status, 'a login that could not be saved is a 503').toBe(503);
      const advice = 'Delete req.sessionID: chapter 5, the third hint';
      const cookie = headers['set-cookie'];
      expect(cookie, `a cookie for a session that was not saved. ${advice}`).toBeUndefined();
      expect(set, `express-session saved it again. ${advice}`).toBeCalledTimes(1);
    });

    const failures: [what: string, status: number, error: Error][] = [
      ...outages.map((error): [string, number, Error] => [reason(error), 503, error]),
      ["Knex's timeout", 503, new createKnex.KnexTimeoutError('Knex: Timeout')],
      ...mistakes.map((error): [string, number, Error] => [reason(error), 500, error]),
      ['a bug in our code', 500, new TypeError('Cannot read properties of null')],
    ];
    test('is not confused with a bug, which is a 500 with the whole error in the log', async () => {
      const { server, browser } = await loggedInTo(step, SessionStore);
      const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
      const get = vi.spyOn(server.store, 'get');
      for (const [what, expected, error] of failures) {
        printed.mockClear();
        get.mockImplementation((_sid, callback) => callback(error));
        const { status } = await browser.get('/api/me');
        expect(status, `${what} is a ${expected}: chapter 5, The code`).toBe(expected);
        if (expected === 500) expect(printed, `${what} is not in the log`).toBeCalledWith(error);
      }
    });

    test('comes too late for a 503 when the response is on its way', async () => {
      const { server, browser } = await loggedInTo(step, SessionStore);
      const logged = captureErrorLog();
      vi.spyOn(server.store, 'touch').mockImplementation((...args: unknown[]) => {
        const callback = args.at(-1);
        if (typeof callback === 'function') callback(full());
      });
      expect(await browser.whoAmI()).toBe('ada');
      await new Promise(setImmediate);
      expect(
        logged().join(),
        'pass the error on when res.headersSent: chapter 5, the third hint',
      ).not.toContain('503');
    });

    test('reveals no session id in its error message', async () => {
      const { server, browser } = await loggedInTo(step, SessionStore);
      const query = server.knex('sessions').where({ sid: browser.sessionId }).select('nothing');
      const error: Error = await query.then(String, (error) => error);
      expect(error.message, 'set compileSqlOnError to false: chapter 5, the third hint').toMatch(
        unknownColumn,
      );
    });
  });

  describe('the wait for the database', () => {
    test('ends after two seconds', async () => {
      const { knex, store } = await emptyStore(step, SessionStore);
      const held = await knex.transaction();
      await held.raw(lock);
      const begun = performance.now();
      const calls = await Promise.race([
        callbackOf((done) => store.get('id', done)),
        pause(6000, []),
      ]);
      const waited = performance.now() - begun;
      await held.rollback();
      await new Promise(setImmediate);
      const advice = 'wait with inTime, and report its error after 2 s: chapter 5, The code';
      expect(calls[0]?.[0], advice).toBeInstanceOf(Error);
      expect(waited, advice).toBeGreaterThan(1900);
      expect(waited, advice).toBeLessThan(4000);
      expect(calls, 'called back again when the database answered').toHaveLength(1);
    });

    // The code is the same for every database, and the test is slow.
    test.skipIf(step.store)(
      'does not count the time in which this process is busy, because that is not an outage',
      async () => {
        const { store } = await emptyStore(step, SessionStore);
        const calling = callbackOf((done) => store.get('id', done));
        const until = performance.now() + 2500;
        while (performance.now() < until); // as bcrypt does with many logins at once
        const [call] = await calling;
        const advice =
          'the database had answered. Count idle time only, as inTime does: chapter 5, The code';
        expect(call?.[0], advice).toBeNull();
      },
    );

    test('ends in the queue for a connection as well, before the minute that Knex allows', async () => {
      const { knex } = await emptyStore(step, SessionStore);
      const held = [];
      while (held.length < knex.client.pool.max) held.push(await knex.transaction());
      const clock = stopClock();
      const outcome = knex('users').then(String, (error) => error);
      await clock.advance(45_000);
      vi.useRealTimers();
      const result = await Promise.race([outcome, pause(100, 'still waiting')]);
      for (const transaction of held) await transaction.rollback();
      const advice = 'set acquireConnectionTimeout to 30_000: chapter 5, the third hint';
      expect(result, advice).toBeInstanceOf(createKnex.KnexTimeoutError);
    });
  });

  describeUsers(folder, SessionStore);

  describe('a server that starts and stops', () => {
    test('has the sessions table before it listens, because a migration creates it', async () => {
      const knex = await temporaryDatabase(step.openDatabase, step.store);
      const advice =
        'write database.ts, with the migration sessionsTable: chapter 5, the second hint';
      expect(await knex.schema.hasTable('sessions'), advice).toBe(true);
    });

    test.skipIf(step.store)(
      'takes over the sessions of step 04, so nobody is logged out',
      async () => {
        const { server, browser } = await loggedIn(createStep04);
        await server.stop();
        const knex = await step.openDatabase(`file:${server.databaseFile}`);
        onTestFinished(() => knex.destroy());
        const store = new SessionStore({ knex });
        const [call] = await callbackOf((done) => store.get(browser.sessionId, done));
        await store.close();
        expect(call?.[1]).toMatchObject({ userId: expect.any(Number) });
      },
    );

    test('closes the store, and then the database', async () => {
      const { app, close, closed } = await startServerFile(folder, SessionStore);
      const agent = request.agent(app);
      await agent.post('/api/login').send(demo);
      await agent.get('/api/me').expect(200);
      await close();
      const advice = 'close both in server.ts, the store first: chapter 5, The code';
      expect(closed, advice).toEqual(['store', 'database']);
    });

    test.each([
      ['after its first clean-up', 2],
      ['before its first clean-up', 0],
    ])(
      'leaves no clean-up behind: a store closed %s queries and logs nothing',
      async (_what, turns) => {
        const clock = stopClock();
        const logged = captureErrorLog();
        const { knex, store } = await emptyStore(step, SessionStore);
        for (let turn = 0; turn < turns; turn++) await callbackOf((done) => store.length(done));
        await store.close();
        for (let turn = 0; turn < 3; turn++) await knex.raw('select 1'); // lets work in progress end
        const statements = statementsOf(knex);
        await clock.advance(3 * HOUR);
        await new Promise(setImmediate);
        expect(statements, 'stop the clean-up in close: chapter 5, the third hint').toEqual([]);
        expect(logged()).toEqual([]);
      },
    );

    test('finishes what was begun, even if nothing waits for it', async () => {
      const { knex, store } = await emptyStore(step, SessionStore);
      const saves = ['a', 'b', 'c'].map((sid) =>
        callbackOf((done) => store.set(sid, newSession(), done)),
      );
      await store.close();
      await knex.destroy();
      for (const [save] of await Promise.all(saves)) {
        const advice = 'wait in close for what was begun: chapter 5, the third hint';
        expect(save?.[0] ?? null, advice).toBeNull();
      }
    });

    test.each([
      [0, 'which means never'],
      [Number.POSITIVE_INFINITY, 'which no timer can wait for'],
      [2 ** 31, 'which no timer can wait for'],
    ])('never cleans up with a cleanupInterval of %d, %s', async (cleanupInterval) => {
      const clock = stopClock();
      const knex = await temporaryDatabase(step.openDatabase, step.store);
      const store = new SessionStore({ knex, cleanupInterval });
      await callbackOf((done) => store.length(done)); // its first clean-up is over
      const deletions = statementsOf(knex, 'delete');
      for (const time of [100, HOUR, HOUR, HOUR]) {
        if (deletions.length > 0) break; // it would run every millisecond
        await clock.advance(time);
        await callbackOf((done) => store.length(done));
      }
      await store.close();
      const advice =
        'it cleaned up. Turn an interval of 2^31 ms or more into 0: chapter 5, the third hint';
      expect(deletions, advice).toEqual([]);
    });
  });
}

/** What differs between the kinds of databases. */
const databases = {
  sqlite: {
    notSession: { what: 'not JSON', sess: '{"userId":grace}' },
    failUpdates:
      "create trigger full before update on sessions begin select raise(abort, 'full'); end",
    full: () => sqliteError('FULL', 'disk is full'),
    outages: [
      ...['BUSY', 'LOCKED', 'IOERR', 'CANTOPEN', 'CORRUPT', 'NOTADB', 'FULL', 'READONLY'].map(
        (name) => sqliteError(name, 'it failed'),
      ),
      sqliteError('ERROR', 'no such table: sessions'),
    ],
    mistakes: [
      sqliteError('ERROR', 'no such table: session'),
      sqliteError('CONSTRAINT', 'UNIQUE: users.username'),
      sqliteError('ERROR', 'near "form": syntax error'),
    ],
    unknownColumn: /`sid` = \? - SQLITE_ERROR: no such column/,
    lock: 'select 1', // a transaction has the only connection
  },
  postgresql: {
    notSession: { what: 'not an object', sess: '"grace"' }, // it accepts only JSON
    failUpdates: `
      create function full_disk() returns trigger language plpgsql
        as $$ begin raise exception 'full' using errcode = '53100'; end $$;
      create trigger full_disk before update on sessions execute function full_disk()`,
    full: () => postgresError('53100', 'could not extend file: No space left on device'),
    outages: [
      postgresError('08006', 'connection failure'),
      postgresError('53100', 'could not extend file: No space left on device'),
      postgresError('53300', 'sorry, too many clients already'),
      postgresError('57P01', 'terminating connection due to administrator command'),
      postgresError('57P03', 'the database system is starting up'),
      postgresError('57014', 'canceling statement due to statement timeout'),
      postgresError('25006', 'cannot execute INSERT in a read-only transaction'),
      postgresError('55P03', 'canceling statement due to lock timeout'),
      postgresError('42P01', 'relation "sessions" does not exist'),
      ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND'].map(
        (code) => Object.assign(new Error(`connect ${code} 192.0.2.1:5432`), { code }),
      ),
      new Error('Connection terminated unexpectedly'),
      new Error('Client has encountered a connection error and is not queryable'),
      new Error('timeout expired'), // of a new connection
    ],
    mistakes: [
      postgresError('42P01', 'relation "session" does not exist'),
      postgresError('42P01', 'relation "old_sessions" does not exist'),
      postgresError('23505', 'duplicate key value violates unique constraint'),
      postgresError('42601', 'syntax error at or near "form"'),
    ],
    unknownColumn: /"sid" = \$1 - column "nothing" does not exist/,
    lock: 'lock table sessions',
  },
};

function sqliteError(name: string, message: string): Error {
  const code = `SQLITE_${name}`;
  return Object.assign(new Error(`select 1 - ${code}: ${message}`), { code });
}

function postgresError(code: string, message: string): Error {
  return Object.assign(new Error(`select 1 - ${message}`), { code });
}

/** Logs in to an application, and checks that it uses the store that it was given. */
async function loggedInTo(step: CreateAppAndDatabase, SessionStore: StoreClass) {
  const { server, browser } = await loggedIn(step);
  const advice =
    'session() does not use the store that createApp is given. Take `store` as a parameter, and pass it on: chapter 5, The code';
  expect(server.store instanceof SessionStore, advice).toBe(true);
  return { server, browser };
}

/** A store on an empty database. Both are closed when the test ends. */
async function emptyStore(step: CreateAppAndDatabase, SessionStore: StoreClass) {
  const knex = await temporaryDatabase(step.openDatabase, step.store);
  const store = new SessionStore({ knex });
  onTestFinished(() => store.close?.());
  return { knex, store };
}

/** A store whose table has another name. */
async function brokenStore(step: CreateAppAndDatabase, SessionStore: StoreClass) {
  const { knex, store } = await emptyStore(step, SessionStore);
  await callEach(store); // a table that the store makes itself is made now
  await knex.schema.renameTable('sessions', 'away');
  captureErrorLog();
  return store;
}
