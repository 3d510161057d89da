import type { Store } from 'express-session';
import type { Knex } from 'knex';
import { isPostgres } from '#database/clock.ts';
import type { Step } from '#steps/shared/step.ts';
import { storedId } from '#steps/shared/store-contents.ts';
import { setDatabaseClocks } from './postgres.ts';
import type { Subject } from './store-contract.ts';
import { makeTestDatabase } from './temporary.ts';

/** Departures of every store that leaves `get`, `touch`, `all` and `length` to connect-session-knex. */
export const libraryDepartures = [
  '"remember me" (a longer maxAge) lasts beyond the next request',
  'get shows when a touched session will end',
  "keeps a browser-session cookie's session alive while it is used",
  'all and length leave out expired sessions',
  'writes nothing for a request that changes nothing',
  'all leaves out a corrupt session, and lists the others',
];

/** Opens an empty database, as a step does. `remove` deletes it. */
export async function emptyDatabase(open: (url: string) => Promise<Knex>, kind?: Step['store']) {
  const { url, remove } = await makeTestDatabase(kind);
  const knex = await open(url);
  // Nothing here must survive a power cut.
  if (!isPostgres(knex)) await knex.raw('PRAGMA synchronous = OFF');
  return { knex, remove };
}

/**
 * A store whose sessions are rows, for the store contract: it fails while its table has another name.
 *
 * @param remove deletes the database, once it is closed.
 */
export function onKnex(store: Store, knex: Knex, remove: () => Promise<void>): Subject {
  let writes = 0;
  knex.on('query', ({ sql }: { sql: string }) => {
    if (!sql.startsWith('select')) writes += 1;
  });
  return {
    store,
    breakStorage: () => knex.schema.renameTable('sessions', 'away'),
    restoreStorage: () => knex.schema.renameTable('away', 'sessions'),
    corrupt: async (sid) => {
      await knex('sessions')
        .where({ sid: storedId(store, sid) })
        .update({ sess: isPostgres(knex) ? '{}' : '{"cookie":' }); // PostgreSQL accepts only JSON
    },
    writes: () => writes,
    setTime: setDatabaseClocks,
    close: async () => {
      await knex.destroy();
      await remove();
    },
  };
}
