import { ConnectSessionKnexStore } from 'connect-session-knex';
import session, { type Store } from 'express-session';
import createKnex, { type Knex } from 'knex';
import createMemoryStore from 'memorystore';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '#steps/08-revoke-sessions/database.ts';
import { storedId } from '#steps/shared/store-contents.ts';
import { isPostgres } from '#tools/databases.ts';
import { databaseOf, makeStore, openStore, stepOf, stepsWithStore } from './every-step.ts';
import { setDatabaseClocks } from './postgres.ts';
import type { Subject } from './store-contract.ts';
import { describeStore, upserts } from './store-contract.ts';
import { newSession } from './store-methods.ts';
import { temporaryDatabase, temporaryEnvironment } from './temporary.ts';

describeStore('MemoryStore', () => ({ store: new session.MemoryStore() }), {
  departures: [
    ...upserts,
    "ends a browser-session cookie's session within two days of its last use",
  ],
});

const MemoryStore = createMemoryStore(session);
describeStore('memorystore', () => ({ store: new MemoryStore({}) }), {
  departures: [...upserts, 'all and length leave out expired sessions'],
});

// Departures of every store that leaves `get`, `touch`, `all` and `length` to connect-session-knex.
const library = [
  '"remember me" (a longer maxAge) lasts beyond the next request',
  'get shows when a touched session will end',
  "keeps a browser-session cookie's session alive while it is used",
  'all and length leave out expired sessions',
  'writes nothing for a request that changes nothing',
  'treats JSON that is not a session as no session',
  'all leaves out a corrupt session, and lists the others',
  'middleware: keeps a change of the cookie alone',
];

describeStore(
  'connect-session-knex',
  async () => {
    const knex = await temporaryDatabase();
    const store = new ConnectSessionKnexStore({ knex, cleanupInterval: 0 });
    await store.ready;
    return onKnex(store, knex);
  },
  {
    departures: [
      ...upserts,
      ...library,
      // It rethrows each error that it reported, and its touch only rejects.
      ...['set', 'get', 'all', 'length', 'destroy', 'clear'].map(
        (method) => `reports a failing ${method} once, through the callback`,
      ),
      'calls back once for a failing touch',
      'middleware: a failing regenerate reports the error, and the old session remains',
      'middleware: every response ends, even when the storage fails',
      'keeps a session that ends after the year 9999',
      'survives an invalid expiry',
      'treats a corrupt session as no session',
      'calls back once even when the callback throws',
    ],
  },
);

const departures: Record<string, string[]> = {
  '05-failing-database': [...upserts, ...library, 'keeps a session that ends after the year 9999'],
  '06-logout-wins': [...library, 'a change of the cookie while a save is under way is not lost'],
};

for (const name of stepsWithStore) {
  const create = async () => {
    const { store, knex } = await openStore(name, { cleanupInterval: 0 });
    return onKnex(store, knex);
  };
  describeStore(name, create, { departures: departures[stepOf(name)] ?? [] });
}

const onSqlite = stepsWithStore.filter((name) => databaseOf(name) === 'sqlite');
const onPostgres = stepsWithStore.filter((name) => databaseOf(name) === 'postgresql');

const client = 'better-sqlite3';
const isInstalled = await import(client).then(
  () => true,
  () => process.env.CI === 'true', // there, the tests below fail without it
);
if (!isInstalled) {
  test('on better-sqlite3', ({ skip }) => skip('needs npm install --no-save better-sqlite3@12'));
}

const withDriver = isInstalled ? onSqlite.filter((name) => stepOf(name) >= '07') : [];
describe.each(withDriver)('%s on better-sqlite3', (name) => {
  const open = (url: string) => openDatabase(url, { settings: { client, pool: {} } });

  describeStore(name, async () => {
    const { store, knex } = await openStore(name, { cleanupInterval: 0, openDatabase: open });
    return onKnex(store, knex);
  });
});

test.each(onPostgres)(
  'the store of %s works on PostgreSQL, whatever Knex calls it',
  async (name) => {
    for (const client of ['pg', 'postgres', 'postgresql']) {
      const { DATABASE_URL } = await temporaryEnvironment('postgresql');
      const knex = createKnex({ client, connection: DATABASE_URL });
      onTestFinished(() => knex.destroy());
      const store = await makeStore(name, knex, { cleanupInterval: 0 });
      await store.set('a', newSession());
      expect(await store.get('a')).not.toBeNull();
    }
  },
);

test.each(stepsWithStore)('the store of %s refuses a database that it cannot use', async (name) => {
  const own = onPostgres.includes(name) ? 'postgresql' : 'sqlite3';
  const usable: Record<string, string[]> = {
    '05-failing-database': ['sqlite3', 'postgresql', 'mysql', 'mssql'],
    '06-logout-wins': ['sqlite3', 'postgresql'],
  };
  for (const dialect of ['sqlite3', 'postgresql', 'mysql', 'mssql', 'oracle', undefined]) {
    if (dialect && (usable[stepOf(name)] ?? [own]).includes(dialect)) continue;
    const knex = createKnex({ client: 'pg' });
    knex.client.dialect = dialect;
    await expect(makeStore(name, knex)).rejects.toThrow(
      new RegExp(
        `^This SessionStore needs a Knex for .+\\. It was given one for ${dialect ?? 'no database'}\\.$`,
      ),
    );
  }
});

/** A store whose sessions are rows: it fails while its table has another name. */
function onKnex(store: Store, knex: Knex): Subject {
  let writes = 0;
  knex.on('query', ({ sql }: { sql: string }) => {
    if (!sql.startsWith('select')) writes += 1;
  });
  return {
    store,
    breakStorage: () => knex.schema.renameTable('sessions', 'away'),
    restoreStorage: () => knex.schema.renameTable('away', 'sessions'),
    corrupt: async (sid, text) => {
      const sess = isPostgres(knex) ? knex.raw('?::json', [text]) : text;
      const row = knex('sessions').where({ sid: storedId(store, sid) });
      await row.update({ sess }).catch(() => row.update({ sess: '{}' })); // PostgreSQL accepts only JSON
    },
    writes: () => writes,
    setTime: setDatabaseClocks,
  };
}
