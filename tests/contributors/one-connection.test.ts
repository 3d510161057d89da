import createKnex from 'knex';
import { expect, onTestFinished, test } from 'vitest';
import * as step05 from '#steps/05-failing-database/store.ts';
import * as step06 from '#steps/06-logout-wins/store.ts';
import { newSession } from '../store-methods.ts';
import { temporaryEnvironment } from '../temporary.ts';

// docs/your-application.md: with several connections, a call of step 05 overtakes the one before it.
test.each([
  ['05', 1, step05],
  ['06', 10, step06],
])(
  'the store of step %s keeps its order on PostgreSQL, with a pool of %i',
  async (_step, max, { SessionStore }) => {
    const { DATABASE_URL } = await temporaryEnvironment('postgresql');
    const knex = createKnex({ client: 'pg', connection: DATABASE_URL, pool: { min: 0, max } });
    onTestFinished(() => knex.destroy());
    const store = new SessionStore({ knex });
    for (let round = 0; round < 100; round++) {
      void store.set(`${round}`, newSession());
      expect(await store.get(`${round}`)).not.toBeNull();
    }
    await store.close();
  },
);
