import type { Knex } from 'knex';
import * as createUsers from './001-create-users.ts';

// Knex can also read a folder of migrations by itself. Importing them, as here, lets the compiler
// check them and needs no loader: it runs alike under every tool that can run TypeScript.
const all: Record<string, Knex.Migration> = {
  '001-create-users': createUsers,
};

/** The migrations of this application, in the order of their names. */
export const migrations: Knex.MigrationSource<string> = migrationsWith({});

/** The same, and those that a step adds to them. */
export function migrationsWith(more: Record<string, Knex.Migration>): Knex.MigrationSource<string> {
  const together = { ...all, ...more };
  return {
    getMigrations: async () => Object.keys(together).sort(),
    getMigrationName: (name) => name,
    getMigration: async (name) => {
      const migration = together[name];
      if (!migration) throw new Error(`There is no migration called ${name}.`);
      return migration;
    },
  };
}
