import { ConnectSessionKnexStore } from 'connect-session-knex';
import session from 'express-session';
import type { Knex } from 'knex';
import createMemoryStore from 'memorystore';
import { openDatabase } from '#database/open.ts';
import { openDatabase as openDurableDatabase } from '#steps/05-durable/database.ts';
import { DurableStore } from '#steps/05-durable/store.ts';
import { describeStore, type Subject } from './store-contract.ts';
import { makeFolder } from './temporary.ts';

const inMemory = [
  'brings nothing back by a save in flight: logout wins',
  'brings nothing back by a save in flight: expiry wins',
];

describeStore('MemoryStore', () => ({ store: new session.MemoryStore() }), inMemory);

const MemoryStore = createMemoryStore(session);
describeStore('memorystore', () => ({ store: new MemoryStore({}) }), inMemory);

describeStore('connect-session-knex', async () => {
  const { knex, remove } = await database(openDatabase);
  const store = new ConnectSessionKnexStore({ knex, cleanupInterval: 0 });
  await store.ready;
  return onKnex(store, knex, remove);
}, [
  ...inMemory,
  'tells when a touched session really ends',
  'lets a session whose cookie has no date live on with its user',
  'writes nothing for a request that changes nothing',
  'takes what is no session for none, without an error',
  ...['get', 'set', 'destroy', 'all', 'length', 'clear'].map(
    (method) => `tells of a failing ${method} by the callback, once, and in no other way`,
  ),
  'calls back once for a failing touch, and leaves it at that',
]);

describeStore('DurableStore', async () => {
  const { knex, remove } = await database(openDurableDatabase);
  const store = new DurableStore({ knex });
  await store.prune(); // the first pruning is over
  return onKnex(store, knex, async () => {
    await store.close();
    await remove();
  });
});

async function database(open: (url: string) => Promise<Knex>) {
  const { path, remove } = await makeFolder();
  const knex = await open(`file:${path}/test.sqlite3`);
  return { knex, remove };
}

/** A store whose sessions are rows: it fails while its table has another name. */
function onKnex(store: session.Store, knex: Knex, remove: () => Promise<void>): Subject {
  let writes = 0;
  knex.on('query', ({ sql }: { sql: string }) => {
    if (!sql.startsWith('select')) writes += 1;
  });
  return {
    store,
    break: () => knex.schema.renameTable('sessions', 'away'),
    mend: () => knex.schema.renameTable('away', 'sessions'),
    spoil: async (sid) => {
      await knex('sessions').where({ sid }).update({ sess: '{"cookie":' });
    },
    writes: () => writes,
    close: async () => {
      await knex.destroy();
      await remove();
    },
  };
}
