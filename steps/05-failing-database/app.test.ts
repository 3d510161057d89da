import { expect, onTestFinished, test } from 'vitest';
import * as shared from '#database/open.ts';
import { describeFailingDatabase } from '#tests/failing-database.ts';
import { describeLogin } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import type { CreateAppAndDatabase } from '#tests/running-step.ts';
import { importFile } from '#tests/step-file.ts';
import { describeStore, upserts } from '#tests/store-contract.ts';
import { callbackOf, callEach } from '#tests/store-methods.ts';
import { emptyDatabase, libraryDepartures, onKnex } from '#tests/store-on-knex.ts';
import { temporaryDatabase } from '#tests/temporary.ts';
import { createApp } from './app.ts';

const folder = import.meta.dirname;
const whatToWrite =
  'Write store.ts: it exports a class SessionStore that extends ConnectSessionKnexStore. Chapter 5, The code';
const { SessionStore } = await importFile<typeof import('./store.ts')>(folder, 'store.ts', () => {
  throw new Error(whatToWrite);
});
if (!SessionStore) throw new Error(whatToWrite); // it has another name
// Until you write database.ts, the shared one is used, which creates no sessions table.
const { openDatabase } = await importFile<Pick<typeof shared, 'openDatabase'>>(
  folder,
  'database.ts',
  () => shared,
);

const step: CreateAppAndDatabase = {
  openDatabase,
  createApp: (parts) =>
    createApp({
      ...parts,
      // Made only when createApp reads it: step 04 makes its own store.
      get store() {
        return new SessionStore({ knex: parts.knex });
      },
    }),
};

test('the sessions table exists, whether database.ts or the store creates it', async () => {
  const knex = await temporaryDatabase(openDatabase);
  const store = new SessionStore({ knex });
  onTestFinished(() => store.close?.());
  await callEach(store);
  const advice =
    'there is no sessions table. Write database.ts first, or leave createTable out: chapter 5, the second hint';
  expect(await knex.schema.hasTable('sessions'), advice).toBe(true);
});

test('each method of the store calls back once', async () => {
  const store = new SessionStore({ knex: await temporaryDatabase(openDatabase) });
  onTestFinished(() => store.close?.());
  for (const { method, calls } of await callEach(store)) {
    const what = calls.length === 0 ? 'does not call back, so its request waits forever' : '';
    const advice = `${method} ${what || 'calls back twice: do that in one place'}. Chapter 5, The code`;
    expect(calls.length, advice).toBe(1);
  }
});

describeLogin(step);

describeFailingDatabase(folder, step, SessionStore);

describeStore(
  '05-failing-database',
  async () => {
    const { knex, remove } = await emptyDatabase(openDatabase);
    const store = new SessionStore({ knex, cleanupInterval: 0 });
    await callbackOf((done) => store.length(done));
    return onKnex(store, knex, async () => {
      await store.close();
      await remove();
    });
  },
  {
    departures: [...upserts, ...libraryDepartures, 'keeps a session that ends after the year 9999'],
  },
);

describePersistence(step);
