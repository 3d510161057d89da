import createKnex, { type Knex } from 'knex';
import { DatabaseError, reason } from '#database/errors.ts';
import { type Migrations, sourceOf } from '#database/migrate.ts';
import * as createSessions from '#steps/05-failing-database/002-create-sessions.ts';
import { inTime, skipAbandoned } from '#steps/05-failing-database/in-time.ts';
import * as revokeSessions from '#steps/08-revoke-sessions/003-revoke-sessions.ts';
import * as countAttempts from '#steps/09-refuse-strangers/004-count-attempts.ts';
import * as oneClock from './005-one-clock.ts';
import type { SessionStore } from './store.ts';

const migrations: Migrations = {
  '002-create-sessions': createSessions,
  '003-revoke-sessions': revokeSessions,
  '004-count-attempts': countAttempts,
  '005-one-clock': oneClock,
};

const LOCK = 2026; // any number that nothing else in this database locks

/**
 * For each server. All servers together must stay below PostgreSQL's max_connections, which is 100 unless you change
 * it. With 10 connections each, that is eight servers: a deploy adds a ninth, and the rest is for migrations and you.
 */
const pool = { min: 0, max: 10 };

/** In milliseconds. A request gives up after two seconds (see inTime), and no statement outlives it. */
const timeouts = ['statement_timeout = 1000', 'idle_in_transaction_session_timeout = 5000'];

/**
 * Opens a PostgreSQL database and brings its tables up to date. A migration may take longer than a request.
 *
 * @param url `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
 * @throws {DatabaseError} when it cannot be used, or its tables are those of a newer version.
 */
export async function openDatabase(url: string): Promise<Knex> {
  const migrating = await connect(url, ['statement_timeout = 10000']);
  try {
    await migrate(migrating);
  } finally {
    await migrating.destroy();
  }
  return skipAbandoned(await connect(url, timeouts));
}

/** @param limits what to set on each connection. PgBouncer refuses them among the parameters that start one. */
export async function connect(url: string, limits: string[] = []): Promise<Knex> {
  const knex = createKnex({
    client: 'pg',
    connection: { connectionString: url, connectionTimeoutMillis: 2000 }, // or as long as the network waits
    pool: { ...pool, afterCreate: setLimits(limits) },
    compileSqlOnError: false, // errors show the SQL without its values
    log: { warn() {}, error() {} }, // Knex would also print what it throws
  });
  try {
    await knex.raw('select 1'); // Knex connects at the first query
    return knex;
  } catch (error) {
    await knex.destroy();
    throw new DatabaseError(
      `Cannot open the database ${withoutPassword(url)} (${reason(error)}). Check DATABASE_URL, and that PostgreSQL is running there.`,
    );
  }
}

/** Sets up a new connection of the pool, as the settings of Knex ask for it. */
export function setLimits(limits = timeouts) {
  const sql = limits.map((limit) => `set ${limit}`).join('; ');
  return (connection: Connection, done: (error: Error | null, connection: Connection) => void) =>
    connection.query(sql, (error) => done(error, connection));
}

type Connection = { query(sql: string, done: (error: Error | null) => void): void };

/** Waits until work in the database is done, unless the database no longer answers: a server must be able to stop. */
export async function closeInTime(store: SessionStore, knex: Knex): Promise<void> {
  const close = async () => {
    await store.close();
    await knex.destroy();
  };
  await inTime(close()).catch((error) =>
    console.error(`Could not close the database: ${reason(error)}`),
  );
}

// The migrations run on another connection, and other servers wait for them.
const asLongAsNeeded =
  'set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0';

/** PostgreSQL gives this lock to one process at a time, and frees it however that process ends. */
async function migrate(knex: Knex): Promise<void> {
  if (await isUpToDate(knex)) return; // most starts wait for nobody
  await knex.transaction(async (transaction) => {
    await transaction.raw(asLongAsNeeded);
    await transaction.raw('select pg_advisory_xact_lock(?)', [LOCK]);
    if (await isUpToDate(transaction)) return;
    // So Knex's own lock, a row, can only be left over from a process that was killed.
    const source = { migrationSource: sourceOf(migrations) };
    await knex.migrate.list(source); // creates Knex's tables
    await knex.migrate.forceFreeMigrationsLock(source);
    await knex.migrate.latest(source);
  });
}

/** @throws {DatabaseError} when the tables have had migrations that this version of the code does not know. */
async function isUpToDate(knex: Knex): Promise<boolean> {
  const isNew = !(await knex.schema.hasTable('knex_migrations'));
  const done: string[] = isNew ? [] : await knex('knex_migrations').pluck('name');
  const known = await sourceOf(migrations).getMigrations([]);
  const unknown = done.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new DatabaseError(
      `The tables are too new for this server: it does not know ${unknown.join(', ')}. Start a newer version.`,
    );
  }
  return done.length === known.length;
}

/** @returns a URL that is safe to print. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:/@]*):.*@/, '$1@').replace(/([?&]password=)[^&]*/, '$1…');
}
