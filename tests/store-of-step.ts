import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from 'express-session';
import type { Knex } from 'knex';
import { stepFolder, stepNames } from '#tools/steps.ts';

/** The steps that have a store of their own. */
export const stepsWithStore = stepNames.filter((step) =>
  existsSync(join(stepFolder(step), 'store.ts')),
);

type Closable = Store & { close(): Promise<void> };

/**
 * Opens the store of a step on its database, as the step's server does. The database is opened by the
 * `database.ts` of the step, or of the nearest step before it that has one.
 */
export async function openStoreOf(step: string, url: string) {
  const before = stepNames.slice(0, stepNames.indexOf(step) + 1).reverse();
  const owner = before.find((name) => existsSync(join(stepFolder(name), 'database.ts')));
  const { openDatabase }: { openDatabase(url: string): Promise<Knex> } = await import(
    join(stepFolder(owner ?? step), 'database.ts')
  );
  const { SessionStore }: { SessionStore: new (parts: { knex: Knex }) => Closable } = await import(
    join(stepFolder(step), 'store.ts')
  );
  const knex = await openDatabase(url);
  const store = new SessionStore({ knex });
  return {
    knex,
    store,
    async close() {
      await store.close();
      await knex.destroy();
    },
  };
}
