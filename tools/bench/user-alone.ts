import { MemoryStore } from 'express-session';
import { Users } from '#database/users.ts';
import { createApp } from '#steps/07-cheap-reads/app.ts';
import { openDatabase } from '#steps/07-cheap-reads/database.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';
import { stepFolder } from '../steps.ts';

// Step 7 without the cost of its sessions: they are in memory, as in step 01.
await serve(stepFolder('07-cheap-reads'), async ({ databaseUrl, secret, production }) => {
  const knex = await openDatabase(databaseUrl);
  const users = new Users(knex);
  await prepareDemoAccount(users, production);
  const app = createApp({ store: new MemoryStore(), users, secret });
  return { app, close: () => knex.destroy() };
});
