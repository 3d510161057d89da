import { openDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';
import { createApp } from './app.ts';

await serve(import.meta.dirname, async ({ databaseUrl, secret, production }) => {
  const knex = await openDatabase(databaseUrl);
  const users = new Users(knex);
  await prepareDemoAccount(users, production);
  return { app: createApp({ users, secret }), knex, close: () => knex.destroy() };
});
