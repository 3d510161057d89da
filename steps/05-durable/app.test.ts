import { setTimeout as pause } from 'node:timers/promises';
import type { SessionData } from 'express-session';
import { describe, expect, test, vi } from 'vitest';
import { openDatabase as openPlainDatabase } from '#database/open.ts';
import { ada, replay } from '#tests/browser.ts';
import { HOUR, stopClock } from '#tests/clock.ts';
import { describeKept } from '#tests/kept.ts';
import { describeLogin, loggedIn, registered } from '#tests/login.ts';
import type { CreateAppAndDatabase } from '#tests/running-step.ts';
import { describeStore } from '#tests/store-contract.ts';
import { emptyDatabase, onKnex } from '#tests/store-on-knex.ts';
import { StoreError } from './answer.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { DurableStore } from './store.ts';

const MINUTE = 60_000;

const step: CreateAppAndDatabase = {
  openDatabase,
  createApp: ({ knex, ...parts }) => createApp({ ...parts, store: new DurableStore({ knex }) }),
};

describeLogin(step);

describe('a database that fails', () => {
  test('makes no method of the store reject: nobody would look, and Node would end the process', async () => {
    const { knex, remove } = await emptyDatabase(openDatabase);
    const store = new DurableStore({ knex });
    await store.prune();
    await knex.schema.renameTable('sessions', 'away');
    keepErrorLog();
    const data: SessionData = JSON.parse('{"cookie":{}}');
    const methods: Record<string, () => Promise<unknown>> = {
      get: () => store.get('id', () => {}),
      set: () => store.set('id', data, () => {}),
      touch: () => store.touch('id', data, () => {}),
      destroy: () => store.destroy('id', () => {}),
    };
    for (const [name, call] of Object.entries(methods)) {
      const outcome = await call().then(
        () => 'fulfilled',
        () => 'rejected',
      );
      const advice = `${name}: tell of the error by the callback alone: chapter 5, The code`;
      expect(outcome, advice).toBe('fulfilled');
    }
    await store.close();
    await knex.destroy();
    await remove();
  });

  test.each(['sessions', 'users'])(
    'without its table of %s: 503, and everything is back when the table is',
    async (table) => {
      const { server, browser } = await loggedIn(step);
      const logged = keepErrorLog();
      await server.knex.schema.renameTable(table, 'away');
      for (const path of ['/api/me', '/api/users', '/inspect'].slice(
        0,
        table === 'users' ? 2 : 3,
      )) {
        const answer = await browser.get(path);
        expect([path, answer.status, answer.type]).toEqual([path, 503, 'application/json']);
        expect(answer.headers['retry-after']).toBe('1');
        expect(answer.body.error).toMatch(/^The server cannot reach its database\./);
      }
      expect((await browser.get('/')).status, 'the page').toBe(200);
      await server.knex.schema.renameTable('away', table);
      expect(await browser.whoAmI()).toBe('ada');
      expect(logged().join('\n'), 'who reads the log could be ada').not.toContain(
        browser.sessionId,
      );
    },
  );

  test('a login whose session could not be saved is 503, and sets no cookie', async () => {
    const { server, browser } = await registered(step);
    keepErrorLog();
    await server.knex.schema.renameTable('sessions', 'away');
    const answer = await browser.logIn(ada);
    expect([answer.status, answer.headers['set-cookie']]).toEqual([503, undefined]);
    // Also when it fails at the last moment: an id is drawn, the user known, only the row cannot be.
    await server.knex.schema.renameTable('away', 'sessions');
    await server.knex.raw(
      "create trigger full before insert on sessions begin select raise(fail, 'disk full'); end",
    );
    const late = await browser.logIn(ada);
    expect([late.status, late.headers['set-cookie']]).toEqual([503, undefined]);
    await server.knex.raw('drop trigger full');
    expect((await browser.logIn(ada)).status).toBe(200);
  });

  test('that does not answer at all: it is waited for two seconds, and no longer', {
    timeout: 5000,
  }, async () => {
    const knex = await openPlainDatabase('file::memory:');
    const held = await knex.transaction(); // the only connection, which Knex itself waits a minute for
    const clock = stopClock();
    const store = new DurableStore({ knex });
    keepErrorLog();
    const answers: unknown[] = [];
    const promise = store.get('some id', (...answer) => answers.push(answer));
    await clock.advance(1999);
    expect(answers).toEqual([]);
    await clock.advance(1);
    expect(await promise).toBeNull();
    expect(answers).toEqual([[new StoreError('no answer in 2000 ms'), null]]);
    await held.rollback();
    await store.close();
    await knex.destroy();
    expect(answers, 'called back once more, when the database answered').toHaveLength(1);
  });

  test('a logout that failed is 503, and one can do it again', async () => {
    const { server, browser } = await loggedIn(step);
    keepErrorLog();
    await server.knex.raw(
      "create trigger full before delete on sessions begin select raise(fail, 'disk full'); end",
    );
    expect((await browser.logOut()).status).toBe(503);
    await server.knex.raw('drop trigger full');
    expect(await browser.whoAmI(), 'still logged in').toBe('ada');
    expect((await browser.logOut()).status).toBe(204);
    expect(await browser.whoAmI()).toBeUndefined();
  });

  test('a read whose expiry could not be moved on is answered all the same', async () => {
    const clock = stopClock();
    const { server, browser } = await loggedIn(step);
    const logged = keepErrorLog();
    await server.knex.raw(
      "create trigger full before update on sessions begin select raise(fail, 'disk full'); end",
    );
    await clock.advance(HOUR);
    const answer = await Promise.race([
      browser.whoAmI(),
      pause(3000, 'nothing, for three seconds'),
    ]);
    expect(answer, 'touch never calls back: chapter 5, The code').toBe('ada');
    expect(logged().join('\n')).toMatch(/^The expiry of a session could not be moved on: /);
  });

  test.each([
    ['not JSON', '{"cookie":'],
    ['not an object', '"ada"'],
    ['without a cookie', '{"userId":1}'],
    ['with a cookie that is none', '{"userId":1,"cookie":null}'],
  ])('a row that is %s is no session: its user logs in again', async (_what, sess) => {
    const { server, browser } = await loggedIn(step);
    const logged = keepErrorLog();
    await server.knex('sessions').update({ sess });
    expect(await browser.whoAmI()).toBeUndefined();
    expect(logged()[0]).toMatch(/^A row in the sessions table holds no session/);
    expect((await browser.logIn(ada)).status).toBe(200);
    expect(await browser.whoAmI()).toBe('ada');
  });
});

describe('a read does not write', () => {
  test('between two steps of a minute, a request is two SELECTs: the session, and the user', async () => {
    const clock = stopClock();
    const { server, browser } = await loggedIn(step);
    const statements: string[] = [];
    server.knex.on('query', ({ sql }: { sql: string }) => statements.push(sql));
    await clock.advance(MINUTE - 1000);
    await browser.whoAmI();
    expect(statements.splice(0)).toEqual([
      'select `sess`, `expired` from `sessions` where `sid` = ?',
      'select * from `users` where `id` = ? limit ?',
    ]);
    await clock.advance(1000);
    await browser.whoAmI();
    expect(statements.splice(0).map((sql) => sql.split(' ')[0])).toEqual([
      'select',
      'select',
      'update',
    ]);
    await browser.whoAmI();
    expect(statements, 'the minute begins anew').toHaveLength(2);
  });

  test('so a session ends up to a minute early, and never late', async () => {
    const clock = stopClock();
    const { server, browser } = await loggedIn(step);
    const { cookie = '' } = browser; // sent by hand: a browser would drop it in time
    const isKnown = async () => (await replay(server.url, cookie)).status === 200;
    await clock.advance(MINUTE - 1000);
    expect(await isKnown(), 'seen once more, which writes nothing').toBe(true);
    await clock.advance(24 * HOUR - MINUTE + 1000 - 1);
    const lastChance = await server.knex('sessions').first('expired');
    expect(Date.parse(lastChance.expired) - Date.now(), 'to the end, in milliseconds').toBe(1);
    await clock.advance(1);
    expect(await isKnown(), 'a day after the login, 59 seconds early').toBe(false);
  });

  test('a login writes once: what express-session saves a second time is already there', async () => {
    const { server, browser } = await registered(step);
    const statements: string[] = [];
    server.knex.on('query', ({ sql }: { sql: string }) => statements.push(sql.split(' ')[0] ?? ''));
    await browser.logIn(ada);
    expect(statements).toEqual(['select', 'delete', 'insert']);
  });
});

describeStore('DurableStore', async () => {
  const { knex, remove } = await emptyDatabase(openDatabase);
  const store = new DurableStore({ knex });
  await store.prune(); // the first pruning is over
  return onKnex(store, knex, async () => {
    await store.close();
    await remove();
  });
});

describeKept(step);

/** What the server prints of its errors, line by line, instead of printing it. */
function keepErrorLog(): () => string[] {
  const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
  return () => printed.mock.calls.flat().map(String);
}
