import { ConnectSessionKnexStore } from 'connect-session-knex';
import session from 'express-session';
import createMemoryStore from 'memorystore';
import { openDatabase } from '#database/open.ts';
import { describeStore } from './store-contract.ts';
import { emptyDatabase, onKnex } from './store-on-knex.ts';

const inMemory = [
  'brings nothing back by a save in flight: logout wins',
  'brings nothing back by a save in flight: expiry wins',
];

describeStore('MemoryStore', () => ({ store: new session.MemoryStore() }), inMemory);

const MemoryStore = createMemoryStore(session);
describeStore('memorystore', () => ({ store: new MemoryStore({}) }), inMemory);

describeStore('connect-session-knex', async () => {
  const { knex, remove } = await emptyDatabase(openDatabase);
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
