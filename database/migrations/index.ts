import type { Knex } from 'knex';
import * as createUsers from './001-create-users.ts';
import * as createSessions from './002-create-sessions.ts';
import * as harden from './003-harden.ts';
import * as oneClock from './004-one-clock.ts';

// Knex can also read a folder of migrations by itself. Importing them lets the compiler check
// them, and works with every tool that can run TypeScript.
const all: Record<string, Knex.Migration> = {
  '001-create-users': createUsers,
};

/** What step 05 and later steps add: until then, the library creates its own table. */
export const sessionsTable: Record<string, Knex.Migration> = {
  '002-create-sessions': createSessions,
};

/** What step 08 adds. */
export const hardening: Record<string, Knex.Migration> = {
  '003-harden': harden,
};

/** What step 09 adds, on PostgreSQL. */
export const sharing: Record<string, Knex.Migration> = {
  '004-one-clock': oneClock,
};

/** The migrations of this application and those that a step adds, in the order of their names. */
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
