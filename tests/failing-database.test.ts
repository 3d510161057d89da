import createKnex from 'knex';
import { describe, expect, test, vi } from 'vitest';
import { reason } from '#database/open.ts';
import { inTime, TimeoutError } from '#steps/05-failing-database/in-time.ts';
import { countAsIdle, HOUR, moveDate, stopClock } from './clock.ts';
import { databaseOf, makeStore, openStore, startStep, stepsWithStore } from './every-step.ts';
import { callEach, captureErrorLog, holdConnections, newSession } from './store-methods.ts';
import { settled, statementsOf } from './temporary.ts';

// What every step with a store of its own promises while its database fails, and afterwards. That each method calls back
// once and never rejects is in the store contract: see stores.test.ts. What later steps import from step 05 is tested there.
describe.each(stepsWithStore)('step %s', (name) => {
  const { notSession, failUpdates, full, outages, mistakes, unknownColumn } =
    databases[databaseOf(name)];

  describe('a store whose database fails', () => {
    test('works again when the database does, also if it was made meanwhile', async () => {
      const { knex, store } = await openStore(name);
      const logged = captureErrorLog();
      await knex.schema.renameTable('sessions', 'away');
      const late = await makeStore(name, knex);
      expect(logged()).toContainEqual(expect.stringMatching(/^.*sessions.*$/));
      expect(await knex.schema.hasTable('sessions')).toBe(false);
      await knex.schema.renameTable('away', 'sessions');
      for (const { method, calls } of [...(await callEach(store)), ...(await callEach(late))]) {
        expect([method, calls[0]?.[0]]).toEqual([method, null]);
      }
    });

    test(`treats a row that is ${notSession.what} as no session, and logs that without showing it`, async () => {
      const { knex, store } = await openStore(name);
      await store.set('a secret', newSession());
      await knex('sessions').update({ sess: notSession.sess });
      const logged = captureErrorLog();
      expect(await store.get('a secret')).toBeNull();
      expect(logged()).toEqual([expect.stringMatching(/^.+$/)]);
      expect(logged()[0]).not.toMatch(/grace|a secret/);
    });

    test('answers a request even if it cannot extend the session, and logs that', async () => {
      const { browser, parts } = await startStep(name);
      await browser.logIn();
      await parts.knex.raw(failUpdates);
      moveDate(HOUR / 4); // long enough that touch must write
      const logged = captureErrorLog();
      expect(await browser.whoAmI()).toBe('demo');
      expect(logged()).toEqual([expect.stringMatching(/^.*full.*$/)]);
      expect(logged()[0]).not.toContain(browser.sessionId);
    });
  });

  describe('an outage of the database', () => {
    test('is a 503 that says when to try again, and one line in the log', async () => {
      const { browser, parts } = await startStep(name);
      await browser.logIn();
      const logged = captureErrorLog();
      await parts.knex.schema.renameTable('sessions', 'away');
      for (const path of ['/api/me', '/api/users', '/inspect']) {
        const { status, headers, body } = await browser.get(path);
        expect([path, status, headers['retry-after']]).toEqual([path, 503, '1']);
        expect(body.error).toMatch(/^The server cannot reach its database\./);
      }
      expect(logged()).toHaveLength(3);
      expect(logged().join()).not.toContain(browser.sessionId);
      expect((await browser.get('/')).status).toBe(200);
      await parts.knex.schema.renameTable('away', 'sessions');
      expect(await browser.whoAmI()).toBe('demo');
    });

    test('is not confused with a bug, which is a 500 with the whole error in the log', async () => {
      const { browser, parts } = await startStep(name);
      await browser.logIn();
      const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
      const get = vi.spyOn(parts.store, 'get');
      const statusOf = async (error: Error) => {
        get.mockImplementation((_sid, callback) => callback(error));
        return [reason(error), (await browser.get('/api/me')).status];
      };
      const timeout = new createKnex.KnexTimeoutError('Knex: Timeout');
      for (const error of [...outages, timeout]) {
        expect(await statusOf(error)).toEqual([reason(error), 503]);
      }
      const bug = new TypeError('Cannot read properties of null');
      for (const error of [...mistakes, bug]) {
        expect(await statusOf(error)).toEqual([reason(error), 500]);
        expect(printed).toHaveBeenLastCalledWith(error);
      }
    });

    test('comes too late for a 503 when the response is on its way', async () => {
      const { browser, parts } = await startStep(name);
      await browser.logIn();
      const logged = captureErrorLog();
      vi.spyOn(parts.store, 'touch').mockImplementation((...args: unknown[]) => {
        const callback = args.at(-1);
        if (typeof callback === 'function') callback(full());
      });
      expect(await browser.whoAmI()).toBe('demo');
      await expect.poll(() => logged()).not.toEqual([]);
      expect(logged().join()).not.toContain('503');
    });

    test('reveals no session id in its error message', async () => {
      const { knex } = await openStore(name);
      const query = knex('sessions').where({ sid: 'a secret' }).select('nothing');
      await expect(query).rejects.toThrow(unknownColumn);
    });
  });

  describe('the wait for the database', () => {
    test('ends for a query that waits for a connection, and the query never runs', async () => {
      const { knex } = await openStore(name);
      const clock = stopClock();
      countAsIdle();
      const release = await holdConnections(knex);
      const query = inTime(knex('users').insert({ username: 'ada', password_hash: '' }));
      const outcome = query.catch((error) => error);
      await clock.advance(2000);
      expect(await outcome).toBeInstanceOf(TimeoutError);
      await release();
      await settled(knex);
      expect(await knex('users')).toEqual([]);
    });
  });

  describe('expired sessions', () => {
    test('are deleted once an hour, and the others stay', async () => {
      const clock = stopClock();
      const { knex, store } = await openStore(name);
      await store.set('old', newSession({}, HOUR / 2));
      await store.set('a', newSession({ userId: 1 }, 2 * HOUR));
      await clock.advance(0.95 * HOUR);
      await settled(knex);
      expect(await knex('sessions').pluck('sid')).toHaveLength(2);
      await clock.advance(0.05 * HOUR);
      await settled(knex);
      expect(await knex('sessions').pluck('sid')).toHaveLength(1);
      expect(await store.get('a')).toMatchObject({ userId: 1 });
    });

    test.each([
      [0, 'which means never'],
      [Number.POSITIVE_INFINITY, 'which no timer can wait for'],
      [2 ** 31, 'which no timer can wait for'],
    ])('stay with a cleanupInterval of %d, %s', async (cleanupInterval) => {
      const clock = stopClock();
      const { knex } = await openStore(name, { cleanupInterval });
      const deletions = statementsOf(knex, 'delete');
      for (let turn = 0; turn < 3; turn++) {
        await clock.advance(100); // a timer that is too long would fire every millisecond
        await settled(knex);
      }
      expect(deletions).toEqual([]);
    });
  });

  describe('a store that is closed', () => {
    test('has finished what was begun, even if nothing waited for it', async () => {
      const { knex, store } = await openStore(name);
      const saved = vi.fn();
      for (const sid of ['a', 'b', 'c']) void store.set(sid, newSession(), saved);
      await store.close();
      await knex.destroy();
      await expect.poll(() => saved.mock.calls.map(([error]) => error)).toEqual([null, null, null]);
    });

    test.each([
      ['after its first clean-up', settled],
      ['before its first clean-up', async () => {}],
    ])('%s queries and logs nothing', async (_when, wait) => {
      const clock = stopClock();
      const logged = captureErrorLog();
      const { knex } = await openStore(name, { cleanupInterval: 0 });
      const store = await makeStore(name, knex, {}, wait);
      await store.close();
      await settled(knex); // work in progress has ended
      const statements = statementsOf(knex);
      await clock.advance(3 * HOUR);
      await settled(knex);
      expect(statements).toEqual([]);
      expect(logged()).toEqual([]);
    });
  });
});

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
      ...[
        'ECONNREFUSED',
        'ECONNRESET',
        'EPIPE',
        'ETIMEDOUT',
        'EHOSTUNREACH',
        'ENETUNREACH',
        'ENOTFOUND',
        'EAI_AGAIN',
      ].map((code) => Object.assign(new Error(`connect ${code} 192.0.2.1:5432`), { code })),
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
  },
};

function sqliteError(name: string, message: string): Error {
  const code = `SQLITE_${name}`;
  return Object.assign(new Error(`select 1 - ${code}: ${message}`), { code });
}

function postgresError(code: string, message: string): Error {
  return Object.assign(new Error(`select 1 - ${message}`), { code });
}
