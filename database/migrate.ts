import { setTimeout as pause } from 'node:timers/promises';
import type { Knex } from 'knex';
import { isPostgres } from './clock.ts';
import { DatabaseError } from './errors.ts';
import { migrationsWith } from './migrations/index.ts';

const LOCK_TIMEOUT = 10_000; // in milliseconds
const LOCK = 2026; // any number that nothing else in this database locks

/**
 * Brings the tables up to date. If several servers start at the same moment, one creates the tables and the
 * others wait. If another program has locked the database, this waits for up to 10 seconds.
 *
 * @param more migrations beyond those that all steps share.
 * @throws {DatabaseError} when the database stays locked.
 */
export async function migrate(knex: Knex, more: Record<string, Knex.Migration>): Promise<void> {
  if (isPostgres(knex)) return migrateAlone(knex, more);
  const deadline = Date.now() + LOCK_TIMEOUT;
  const [{ timeout }] = await knex.raw('PRAGMA busy_timeout');
  // Knex takes its lock with one write and frees it with another. If the second failed, the lock would stay.
  await knex.raw('PRAGMA busy_timeout = 1000'); // in milliseconds
  await migrateUntil(deadline, knex, more);
  await knex.raw(`PRAGMA busy_timeout = ${timeout}`);
}

/** PostgreSQL gives this lock to one process at a time, and frees it however that process ends. */
async function migrateAlone(knex: Knex, more: Record<string, Knex.Migration>): Promise<void> {
  await knex.transaction(async (transaction) => {
    await transaction.raw('select pg_advisory_xact_lock(?)', [LOCK]);
    refuseNewer(await compareMigrations(transaction, more));
    // So Knex's own lock, a row, can only be left over from a process that was killed.
    const source = { migrationSource: migrationsWith(more) };
    await knex.migrate.list(source); // creates Knex's tables
    await knex.migrate.forceFreeMigrationsLock(source);
    await knex.migrate.latest(source);
  });
}

/**
 * Checks that the tables are what this version of the code expects.
 *
 * @throws {DatabaseError} when migrations are missing, or the tables are those of a newer version.
 */
export async function checkMigrations(
  knex: Knex,
  more: Record<string, Knex.Migration>,
): Promise<void> {
  const { missing, unknown } = await compareMigrations(knex, more);
  if (missing.length > 0) {
    throw new DatabaseError(
      `The tables are too old for this server: ${missing.join(', ')} is missing. Run npm run migrate first.`,
    );
  }
  refuseNewer({ unknown });
}

/** Compares the migrations that the tables have had with those that this version of the code knows. */
async function compareMigrations(knex: Knex, more: Record<string, Knex.Migration>) {
  const isNew = !(await knex.schema.hasTable('knex_migrations'));
  const done: string[] = isNew ? [] : await knex('knex_migrations').pluck('name');
  const known = await migrationsWith(more).getMigrations([]);
  return {
    missing: known.filter((name) => !done.includes(name)),
    unknown: done.filter((name) => !known.includes(name)),
  };
}

function refuseNewer({ unknown }: { unknown: string[] }): void {
  if (unknown.length === 0) return;
  throw new DatabaseError(
    `The tables are too new for this server: it does not know ${unknown.join(', ')}. Start a newer version.`,
  );
}

async function migrateUntil(
  deadline: number,
  knex: Knex,
  more: Record<string, Knex.Migration>,
): Promise<void> {
  for (;;) {
    try {
      await knex.migrate.latest({ migrationSource: migrationsWith(more) });
      return;
    } catch (error) {
      if (!isLocked(error) && !isConcurrentMigration(error)) throw error;
      if (Date.now() > deadline) throw isLocked(error) ? stillLocked() : error;
      await removeSecondLock(knex);
      await pause(50 + 50 * Math.random()); // in milliseconds; random, so two servers do not retry in step
    }
  }
}

/** Two servers that create Knex's lock at the same moment add a row each, and with two rows Knex can never lock it. */
async function removeSecondLock(knex: Knex): Promise<void> {
  await knex('knex_migrations_lock')
    .where('index', '>', 1)
    .delete()
    .catch(() => {}); // it is not there yet, or locked: the next attempt comes soon
}

/** Another process holds Knex's lock on the migrations, or SQLite's on the file. */
function isLocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'MigrationLocked' || ('code' in error && error.code === 'SQLITE_BUSY');
}

/** Another process created a table after this one had checked for it. */
function isConcurrentMigration(error: unknown): boolean {
  return error instanceof Error && /already exists|UNIQUE/.test(error.message);
}

function stillLocked(): DatabaseError {
  return new DatabaseError(
    `The database stayed locked for ${LOCK_TIMEOUT / 1000} seconds. If another program is using it, wait for that ` +
      'program. If a server died while it was creating its tables, run this in the database: ' +
      'UPDATE knex_migrations_lock SET is_locked = 0;',
  );
}
