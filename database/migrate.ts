import { setTimeout as pause } from 'node:timers/promises';
import type { Knex } from 'knex';
import { DatabaseError } from './errors.ts';

const LOCK_TIMEOUT = 10_000; // in milliseconds

/** Migrations by name. They run in the order of their names. */
export type Migrations = Record<string, Knex.Migration>;

const createUsers: Knex.Migration = {
  async up(knex) {
    await knex.schema.createTable('users', (table) => {
      // An autoincrement id is never used twice, not even after its user is deleted. That matters when a session
      // refers to its user by this id: it must never refer to another user.
      table.increments('id');
      table.string('username', 32).notNullable().unique();
      table.string('password_hash', 60).notNullable();
    });
  },
  async down(knex) {
    await knex.schema.dropTable('users');
  },
};

/**
 * Brings the tables of an SQLite database up to date. Servers that start at the same moment do it one after the other,
 * and while another program has locked the database, this waits for up to 10 seconds.
 *
 * @param added migrations beyond that of the users table.
 * @throws {DatabaseError} when the database stays locked.
 */
export async function migrate(knex: Knex, added: Migrations): Promise<void> {
  const deadline = Date.now() + LOCK_TIMEOUT;
  const source = { migrationSource: sourceOf(added) };
  const [{ timeout }] = await knex.raw('PRAGMA busy_timeout');
  await knex.raw('PRAGMA busy_timeout = 0'); // waiting would occupy one of the few threads that all databases share
  await knex.transaction(async (transaction) => {
    await lock(transaction, deadline);
    await transaction.migrate.list(source); // creates Knex's tables
    // Nobody else migrates now, so Knex's own lock, a row, can only be left over from a process that was killed.
    await transaction.migrate.forceFreeMigrationsLock(source);
    await transaction.migrate.latest(source);
  });
  await knex.raw(`PRAGMA busy_timeout = ${timeout}`);
}

/**
 * Knex can also read a folder of migrations by itself. Importing them lets the compiler check them, and works with
 * every tool that can run TypeScript.
 */
export function sourceOf(added: Migrations): Knex.MigrationSource<string> {
  const all: Migrations = { '001-create-users': createUsers, ...added };
  return {
    getMigrations: async () => Object.keys(all).sort(),
    getMigrationName: (name) => name,
    getMigration: async (name) => all[name] ?? createUsers,
  };
}

/** Takes SQLite's lock for writing. However this process ends, SQLite frees it, and undoes what is not finished. */
async function lock(transaction: Knex.Transaction, deadline: number): Promise<void> {
  for (;;) {
    try {
      return await transaction.raw('PRAGMA user_version = 0'); // any write will do
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY')) throw error;
      if (Date.now() > deadline) {
        throw new DatabaseError(
          `The database stayed locked for ${LOCK_TIMEOUT / 1000} seconds: another program is using it. Wait for that program, or stop it.`,
        );
      }
      await pause(50 + 50 * Math.random()); // in milliseconds; random, so two servers do not retry in step
    }
  }
}
