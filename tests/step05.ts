import { createApp } from '#steps/05-durable/app.ts';
import { openDatabase } from '#steps/05-durable/database.ts';
import { DurableStore } from '#steps/05-durable/store.ts';
import type { CreateAppAndDatabase } from './running-step.ts';

/** Step 05, put together as its `server.ts` does it. */
export const step05: CreateAppAndDatabase = {
  openDatabase,
  createApp: ({ knex, ...parts }) => createApp({ ...parts, store: new DurableStore({ knex }) }),
};
