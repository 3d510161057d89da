import { MemoryStore } from 'express-session';
import { Users } from '#database/users.ts';
import { createApp } from '#steps/05-durable/app.ts';
import { openDatabase } from '#steps/05-durable/database.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';

// Step 05 without what its sessions cost: they are in memory, as in step 01.
await serve(import.meta.dirname, async ({ databaseUrl, secret, production }) => {
  const knex = await openDatabase(databaseUrl);
  const users = new Users(knex);
  await prepareDemoAccount(users, production);
  const app = createApp({ store: new MemoryStore(), users, secret });
  return { app, close: () => knex.destroy() };
});
