import { Users } from '#database/users.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { DurableStore } from './store.ts';

await serve(import.meta.dirname, async ({ databaseUrl, secret, production }) => {
  const knex = await openDatabase(databaseUrl);
  const users = new Users(knex);
  await prepareDemoAccount(users, production);
  const store = new DurableStore({ knex });
  // The store first: what it has begun needs the database.
  const close = async () => {
    await store.close();
    await knex.destroy();
  };
  return { app: createApp({ store, users, secret }), close };
});
