import type { Knex } from 'knex';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HOUR, stopClock } from '#tests/clock.ts';
import { beginTransaction, waitingQueries } from '#tests/locks.ts';
import { setDatabaseClocks } from '#tests/postgres.ts';
import { captureErrorLog, load, newSession } from '#tests/store-methods.ts';
import { temporaryEnvironment } from '#tests/temporary.ts';
import { openDatabase } from './database.ts';
import { SessionStore } from './store.ts';

describe('several servers', () => {
  test('that save one new session at the same moment all succeed', async () => {
    const { url, knex } = await openStore();
    const other = await connectAgain(url);
    // Each store is one server's: it keeps the order of its own calls only.
    const saves = Array.from({ length: 100 }, (_, number) => {
      const store = new SessionStore({ knex: number % 2 ? knex : other, cleanupInterval: 0 });
      return new Promise((done) => store.set('a', newSession({ userId: number }), done));
    });
    const errors = (await Promise.all(saves)).filter(Boolean);
    expect(errors).toEqual([]);
    expect(await knex('sessions')).toHaveLength(1);
  });

  test('that prune at once delete each expired row once', async () => {
    const { url, knex, store } = await openStore();
    const other = await connectAgain(url);
    await addExpired(knex, 1000);
    await store.set('a', newSession());
    const deleted: number[] = [];
    for (const pool of [knex, other]) {
      pool.on('query-response', ({ rowCount }) => deleted.push(rowCount));
    }
    const logged = captureErrorLog();
    const stores = [store, new SessionStore({ knex: other, cleanupInterval: 0 })];
    await Promise.all(stores.map((store) => store.prune()));
    expect(logged()).toEqual([]);
    expect(deleted.reduce((sum, count) => sum + count)).toBe(1000);
    expect(await knex('sessions')).toHaveLength(1);
  });

  test('that prune do not wait for rows that another one is deleting', async () => {
    const { knex, store } = await openStore();
    await addExpired(knex, 3);
    const other = await beginTransaction(knex);
    await other('sessions').where('sid', 'like', '%1').delete();
    const logged = captureErrorLog();
    await store.prune(); // if it waited, it would wait until PostgreSQL ends the statement
    await other.rollback();
    expect(logged()).toEqual([]);
    expect(await knex('sessions').pluck('sid')).toEqual(['old 1']);
  });
});

describe('one server', () => {
  test('does the work on one session in order, and on other sessions meanwhile', async () => {
    const { knex, store } = await openStore();
    for (const sid of ['a', 'b']) await store.set(sid, newSession());
    const session = Object.assign(await load(store, 'a'), { userId: 2 });
    const busy = await beginTransaction(knex); // the first call waits for it
    await busy('sessions')
      .where({ sid: store.storedId('a') })
      .forUpdate();
    const order: string[] = [];
    const calls = [
      store.set('a', session, () => order.push('saved')),
      store.get('a', (_error, session) => order.push(`read ${session?.userId}`)),
      store.destroy('a', () => order.push('destroyed')),
    ];
    expect(await store.get('b')).toMatchObject({ cookie: {} });
    expect(order).toEqual([]);
    await busy.rollback();
    await Promise.all(calls);
    await expect.poll(() => order).toEqual(['saved', 'read 2', 'destroyed']);
  });

  test('closes its store after the work in progress', async () => {
    const { knex, store } = await openStore();
    const busy = await beginTransaction(knex);
    await busy.raw('lock table sessions in share mode'); // no writes until then
    const order: string[] = [];
    const saving = store.set('a', newSession()).then(() => order.push('saved'));
    const closing = store.close().then(() => order.push('closed'));
    await expect.poll(() => waitingQueries(knex)).toBe(1);
    await busy.rollback();
    await Promise.all([saving, closing]);
    expect(order).toEqual(['saved', 'closed']);
  });

  test('follows endsAt in every save', async () => {
    const clock = stopClock();
    const { knex, store } = await openStore();
    const session = newSession({}, 9 * HOUR);
    await store.set('a', session); // as Passport does
    await store.set('a', Object.assign(session, { endsAt: Date.now() + HOUR }));
    await knex('sessions').update({ expired: 'infinity' }); // whatever a server's clock made of it
    await clock.advance(HOUR - 1000);
    expect(await store.get('a')).not.toBeNull();
    await clock.advance(2000);
    expect(await store.get('a')).toBeNull();
  });

  test('writes endsAt only when it has changed, so no save postpones the end', async () => {
    stopClock();
    const { knex, store } = await openStore();
    await store.set('a', newSession({ endsAt: Date.now() + HOUR }));
    const ends = await knex('sessions').pluck('ends');
    const loaded = await load(store, 'a');
    setDatabaseClocks(new Date(Date.now() + 100)); // the next query takes that long
    await store.set('a', loaded);
    expect(await knex('sessions').pluck('ends')).toEqual(ends);
  });
});

/** A server's connections to a new database, and its store. They end with the test. */
async function openStore() {
  const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
  const knex = await connectAgain(url);
  return { url, knex, store: new SessionStore({ knex, cleanupInterval: 0 }) };
}

/** Another server's connections to a database. They end with the test. */
async function connectAgain(url: string): Promise<Knex> {
  const knex = await openDatabase(url);
  onTestFinished(() => knex.destroy());
  return knex;
}

async function addExpired(knex: Knex, number: number): Promise<void> {
  await knex.raw(
    `insert into sessions (sid, sess, expired)
       select 'old ' || n, '{}', now() - interval '1 s' from generate_series(1, ?) as n`,
    [number],
  );
}
