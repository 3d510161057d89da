import createKnex from 'knex';
import { expect, onTestFinished, test } from 'vitest';
import { SessionStore } from '#steps/05-failing-database/store.ts';
import { newSession } from '../store-methods.ts';
import { temporaryEnvironment } from '../temporary.ts';

// docs/your-application.md: with several connections, a call overtakes the one before it.
test('the store of step 05 keeps its order on another database, with one connection', async () => {
  const { DATABASE_URL } = await temporaryEnvironment('postgresql');
  const knex = createKnex({ client: 'pg', connection: DATABASE_URL, pool: { min: 0, max: 1 } });
  onTestFinished(() => knex.destroy());
  const store = new SessionStore({ knex });
  for (let round = 0; round < 100; round++) {
    void store.set(`${round}`, newSession());
    expect(await store.get(`${round}`)).not.toBeNull();
  }
  await store.close();
});
