import { openDatabase } from '#steps/05-failing-database/database.ts';
import { Users } from '#steps/05-failing-database/users.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';
import { createApp } from './app.ts';
import { SessionStore } from './store.ts';

await serve(import.meta.dirname, async ({ databaseUrl, secret, production }) => {
  const knex = await openDatabase(databaseUrl);
  const users = new Users(knex);
  await prepareDemoAccount(users, production);
  const store = new SessionStore({ knex });
  // The store first: its work in progress needs the database.
  const close = async () => {
    await store.close();
    await knex.destroy();
  };
  return { app: createApp({ store, users, secret }), knex, close };
});
