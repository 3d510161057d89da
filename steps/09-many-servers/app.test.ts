import { readProtection, type Protection } from '#steps/08-hardened/settings.ts';
import { HOUR } from '#tests/clock.ts';
import { describeFailingDatabase } from '#tests/failing-database.ts';
import { describeLogin } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import type { CreateAppAndDatabase } from '#tests/running-step.ts';
import { describeStore } from '#tests/store-contract.ts';
import { emptyDatabase, onKnex } from '#tests/store-on-knex.ts';
import { createApp } from './app.ts';
import { joinDatabase } from './database.ts';
import { SessionStore } from './store.ts';

/** The step, on its defaults in development, with changes. Its database has its tables already, as for each server. */
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

// What holds for the steps before, whose sessions live for a day.
const forADay = hardened({ idleTimeout: 24 * HOUR, absoluteTimeout: 7 * 24 * HOUR });

describeLogin(forADay, 'with the browser');

describeFailingDatabase(import.meta.dirname, forADay, SessionStore);

describeStore('09-many-servers', async () => {
  const { knex, remove } = await emptyDatabase(joinDatabase, 'postgresql');
  const store = new SessionStore({ knex, cleanupInterval: 0, idleTimeout: 24 * HOUR });
  const subject = onKnex(store, knex, remove);
  return { ...subject, close: () => store.close().then(subject.close) };
});

describePersistence(forADay);
