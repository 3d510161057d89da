import cluster from 'node:cluster';
import { inTime } from '#database/in-time.ts';
import { Users } from '#database/users.ts';
import { hashing } from '#steps/08-hardened/hashing.ts';
import { limits } from '#steps/08-hardened/limits.ts';
import { readProtection } from '#steps/08-hardened/settings.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';
import { createApp } from './app.ts';
import { finish, joinDatabase } from './database.ts';
import { SessionStore } from './store.ts';

// This file runs in the first process, which answers no requests, and in each server that it starts.
if (cluster.isPrimary) await import('./first-process.ts');
else
  await serve(import.meta.dirname, async ({ databaseUrl, secret, production }) => {
    const protection = readProtection(process.env, { secret, production });
    const knex = await joinDatabase(databaseUrl);
    const users = new Users(knex, { wait: inTime, hashing });
    await prepareDemoAccount(users, production);
    const { idleTimeout } = protection;
    const store = new SessionStore({ knex, idleTimeout, cleanupInterval: 0 }); // the first process prunes
    // The store first: its work in progress needs the database.
    const close = async () => {
      await store.close();
      await knex.destroy();
    };
    return {
      app: createApp({ knex, store, users, protection }),
      close: () => finish(close()),
      limits,
    };
  });
