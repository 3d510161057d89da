import type { Store } from 'express-session';
import type { Knex } from 'knex';
import type { Subject } from './store-contract.ts';
import { makeFolder } from './temporary.ts';

/** Opens an empty database, as a step does. `remove` deletes it. */
export async function emptyDatabase(open: (url: string) => Promise<Knex>) {
  const { path, remove } = await makeFolder();
  const knex = await open(`file:${path}/test.sqlite3`);
  return { knex, remove };
}

/**
 * A store whose sessions are rows, for the store contract: it fails while its table has another name.
 *
 * @param remove what is left to do when the database is closed.
 */
export function onKnex(store: Store, knex: Knex, remove: () => Promise<void>): Subject {
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
