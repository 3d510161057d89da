import { ConnectSessionKnexStore } from 'connect-session-knex';
import session from 'express-session';
import createMemoryStore from 'memorystore';
import { openDatabase } from '#database/open.ts';
import { describeStore, upserts } from './store-contract.ts';
import { emptyDatabase, libraryDepartures, onKnex } from './store-on-knex.ts';

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

describeStore(
  'connect-session-knex',
  async () => {
    const { knex, remove } = await emptyDatabase(openDatabase);
    const store = new ConnectSessionKnexStore({ knex, cleanupInterval: 0 });
    await store.ready;
    return onKnex(store, knex, remove);
  },
  {
    departures: [
      ...upserts,
      ...libraryDepartures,
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
