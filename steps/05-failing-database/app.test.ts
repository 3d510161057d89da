import { rm } from 'node:fs/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createApp as createStep04 } from '#steps/04-minimal-payload/app.ts';
import { countAsIdle, stopClock } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { callEach, captureErrorLog, holdConnections, newSession } from '#tests/store-methods.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { TimeoutError } from './in-time.ts';
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

describe('a store whose database fails', () => {
  test('never rejects: an unhandled rejection would end the process', async () => {
    const { store } = await openBrokenStore();
    for (const { method, promise } of await callEach(store)) {
      expect([method, promise]).toEqual([method, 'fulfilled']);
    }
  });

  test('calls back exactly once', async () => {
    const { store } = await openBrokenStore();
    for (const { method, calls } of await callEach(store)) {
      // A touch comes after the response: an error would only cut that off.
      const error = method === 'touch' ? null : expect.any(Error);
      expect([method, calls.map(([error]) => error)]).toEqual([method, [error]]);
    }
  });

  test('calls back once even if the callback throws an exception, which is no error of the database', async () => {
    const { store } = await openStore();
    const uncaught = vi.fn();
    process.setUncaughtExceptionCaptureCallback(uncaught);
    onTestFinished(() => process.setUncaughtExceptionCaptureCallback(null));
    const callback = vi.fn(() => expect.unreachable());
    expect(await store.get('id', callback)).toBeNull();
    await expect.poll(() => uncaught.mock.calls.length).toBe(1);
    expect(callback.mock.calls).toEqual([[null, null]]);
  });

  test('works again when the database does', async () => {
    const { knex, store, logged } = await openBrokenStore();
    await store.set('a', newSession());
    const late = new SessionStore({ knex }); // made while the table is missing
    await late.close();
    expect(logged()).toContainEqual(expect.stringContaining('sessions'));
    await knex.schema.renameTable('away', 'sessions');
    for (const { method, calls } of [...(await callEach(store)), ...(await callEach(late))]) {
      expect([method, calls[0]?.[0]]).toEqual([method, null]);
    }
  });

  test('treats a row that is not JSON as no session, and logs that without showing it', async () => {
    const { knex, store } = await openStore();
    await store.set('a', newSession());
    await knex('sessions').update({ sess: '{"userId":grace}' });
    const logged = captureErrorLog();
    expect(await store.get('a')).toBeNull();
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).not.toContain('grace');
  });

  test('answers a request even if it cannot extend the session, and logs that', async () => {
    const step = await start(createApp, { openDatabase, SessionStore });
    await step.browser.logIn();
    await step.parts.knex.raw(
      "create trigger full before update on sessions begin select raise(abort, 'full'); end",
    );
    const logged = captureErrorLog();
    expect(await step.browser.whoAmI()).toBe('demo');
    expect(logged()).toEqual([expect.stringContaining('full')]);
  });
});

describe('an outage of the database', () => {
  test('is a 503 that says when to try again, and is over when the database is back', async () => {
    const { browser, parts } = await start(createApp, { openDatabase, SessionStore });
    await browser.logIn();
    const logged = captureErrorLog();
    await parts.knex.schema.renameTable('sessions', 'away');
    const { status, headers, body } = await browser.get('/api/me');
    expect([status, headers['retry-after']]).toEqual([503, '1']);
    expect(body.error).toMatch(/^The server cannot reach its database\./);
    expect(logged()).toHaveLength(1);
    await parts.knex.schema.renameTable('away', 'sessions');
    expect(await browser.whoAmI()).toBe('demo');
  });

  test('fails a login, which sets no cookie and does not save its session a second time', async () => {
    const { browser, parts } = await start(createApp, { openDatabase, SessionStore });
    const set = vi.spyOn(parts.store, 'set').mockImplementation((_sid, _session, callback) => {
      callback?.(new TimeoutError('The database did not answer.'));
    });
    captureErrorLog();
    expect((await browser.logIn()).status).toBe(503);
    expect(browser.cookie).toBeUndefined();
    expect(set).toHaveBeenCalledTimes(1);
  });

  test('is not confused with a bug, which is a 500 with the whole error in the log', async () => {
    const { browser, parts } = await start(createApp, { openDatabase, SessionStore });
    await browser.logIn();
    const logged = captureErrorLog();
    await parts.knex.schema.renameTable('users', 'away');
    expect((await browser.get('/api/me')).status).toBe(500);
    expect(logged()).toEqual([expect.stringContaining('no such table: users')]);
    await parts.knex.schema.renameTable('away', 'users');
  });

  test('reveals no session id in its error message', async () => {
    const { knex } = await openStore();
    const query = knex('sessions').where({ sid: 'a secret' }).select('nothing');
    await expect(query).rejects.toThrow(/`sid` = \? - SQLITE_ERROR/);
  });
});

describe('the wait for the database', () => {
  test('ends after two seconds', async () => {
    const { knex, store } = await openStore();
    const clock = stopClock();
    countAsIdle();
    const release = await holdConnections(knex);
    const callback = vi.fn();
    void store.get('id', callback);
    await clock.advance(1999);
    expect(callback).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(callback.mock.calls).toEqual([[expect.any(TimeoutError), null]]);
    await release();
    await store.close(); // by now, the query has been answered
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test('ends for a query that waits for a connection, and the query never runs', async () => {
    const { knex } = await openStore();
    const clock = stopClock();
    countAsIdle();
    const release = await holdConnections(knex);
    const query = knex('users').insert({ username: 'ada', password_hash: '' }).catch(String);
    await clock.advance(2000);
    await release();
    expect(await query).toContain('No connection to the database was free');
    expect(await knex('users')).toEqual([]);
  });
});

test('takes over the sessions of step 04, so nobody is logged out', async () => {
  const before = await start(createStep04);
  await before.browser.logIn();
  await before.stop();
  const databaseUrl = `file:${before.file}`;
  const step = await start(createApp, { openDatabase, SessionStore, databaseUrl });
  step.browser.plant(before.browser.cookie ?? '');
  expect(await step.browser.whoAmI()).toBe('demo');
});

/** A store on a database in memory. Both are closed when the test has finished. */
async function openStore() {
  const knex = await openDatabase('file::memory:');
  onTestFinished(() => knex.destroy());
  const store = new SessionStore({ knex });
  onTestFinished(() => store.close());
  await store.length(); // its first clean-up is over
  return { knex, store };
}

/** A store whose table is away, and what is logged from then on. */
async function openBrokenStore() {
  const { knex, store } = await openStore();
  await knex.schema.renameTable('sessions', 'away');
  return { knex, store, logged: captureErrorLog() };
}
