import { z } from 'zod';
import { httpLimits } from '#steps/09-refuse-strangers/http-limits.ts';
import { readProtection } from '#steps/09-refuse-strangers/settings.ts';
import { Users } from '#steps/09-refuse-strangers/users.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';
import { SettingsError } from '#steps/shared/settings.ts';
import { createApp } from './app.ts';
import { closeInTime, openDatabase } from './database.ts';
import { drain } from './health.ts';
import { postgresOf } from './postgres.ts';
import { SessionStore } from './store.ts';

await serve(import.meta.dirname, async ({ secret, production }) => {
  const protection = readProtection(process.env, { secret, production });
  const drainTime = readDrain(process.env);
  const postgres = await postgresOf(process.env);
  const knex = await openDatabase(postgres.url);
  const users = new Users(knex);
  await prepareDemoAccount(users, production);
  const store = new SessionStore({ knex });
  const app = createApp({ store, users, secret, ...protection });
  return {
    app,
    knex,
    limits: httpLimits,
    drain: () => drain(app, drainTime),
    close: async () => {
      await closeInTime(store, knex);
      await postgres.stop();
    },
  };
});

/** @returns how long a server still answers after the signal to stop, in milliseconds. */
function readDrain({ DRAIN: given }: NodeJS.ProcessEnv): number {
  const { data } = z.coerce
    .number()
    .min(0)
    .max(3600)
    .safeParse(given || 0);
  if (data === undefined) {
    throw new SettingsError('DRAIN must be a number of seconds, from 0 to 3600.');
  }
  return data * 1000;
}
