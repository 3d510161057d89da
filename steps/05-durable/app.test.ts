import { describeKept } from '#tests/kept.ts';
import { describeLogin } from '#tests/login.ts';
import type { CreateApp } from '#tests/running-step.ts';
import { createApp as createDurableApp } from './app.ts';
import { openDatabase } from './database.ts';
import { DurableStore } from './store.ts';

const createApp: CreateApp = ({ knex, ...parts }) =>
  createDurableApp({ ...parts, store: new DurableStore({ knex }) });
const step = { createApp, openDatabase };

describeLogin(step);
describeKept(step);
