import { join } from 'node:path';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import { MemoryStore, type Store } from 'express-session';
import createKnex, { type Knex } from 'knex';
import * as step07 from '#steps/07-cheap-reads/database.ts';
import { SessionStore as Step07Store } from '#steps/07-cheap-reads/store.ts';
import * as step10 from '#steps/10-many-servers/database.ts';
import { SessionStore as Step10Store } from '#steps/10-many-servers/store.ts';

type Make = (given: { folder: string; url: string }) => Promise<object>;

const fileIn = (folder: string) => join(folder, 'sessions.sqlite3');

/** The stores that npm need not install. Each returns a subject of the store contract. */
export const ownStores: Record<string, Make> = {
  MemoryStore: async () => ({ store: new MemoryStore() }),
  '07-cheap-reads': async ({ folder }) =>
    onKnex(await step07.openDatabase(`file:${fileIn(folder)}`), Step07Store),
  '10-many-servers': async ({ url }) => onKnex(await step10.openDatabase(url), Step10Store),
  'connect-session-knex': ({ folder }) => {
    const connection = { filename: fileIn(folder) };
    const knex = createKnex({ client: 'sqlite3', connection, useNullAsDefault: true });
    return onKnex(knex, ConnectSessionKnexStore);
  },
  'connect-session-knex:pg': ({ url }) =>
    onKnex(createKnex({ client: 'pg', connection: url }), ConnectSessionKnexStore),
};

type StoreClass = new (options: { knex: Knex; cleanupInterval: number }) => Store;

async function onKnex(knex: Knex, StoreClass: StoreClass) {
  const store = new StoreClass({ knex, cleanupInterval: 0 });
  await Object(store).ready; // only the library has it
  let writes = 0;
  knex.on('query', ({ sql }: { sql: string }) => {
    if (!sql.startsWith('select')) writes += 1;
  });
  return { store, writes: () => writes };
}
