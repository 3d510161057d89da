import type { Knex } from 'knex';
import { inTime } from '#database/in-time.ts';
import { checkMigrations } from '#database/migrate.ts';
import { hardening, sessionsTable, sharing } from '#database/migrations/index.ts';
import * as shared from '#database/open.ts';

const migrations = { ...sessionsTable, ...hardening, ...sharing };

/**
 * For each server. All servers together must stay below PostgreSQL's max_connections, which is 100 unless you change
 * it. With 10 connections each, that is eight servers: a deploy adds a ninth, and the rest is for first processes and you.
 */
const pool = { min: 0, max: 10 };

/** In milliseconds. A request gives up after two seconds (see inTime), and then PostgreSQL stops as well. */
const timeouts = ['statement_timeout = 2000', 'idle_in_transaction_session_timeout = 5000'];

const settings: Knex.Config = {
  compileSqlOnError: false, // errors show the SQL without its values
  acquireConnectionTimeout: 30_000, // as in step 05
};

/**
 * Opens the database and brings its tables up to date. Only the first process does this, before it starts the servers.
 * One connection stays open, because this process prunes every hour.
 */
export function openDatabase(url: string): Promise<Knex> {
  const keepOne = { ...pool, min: 1 };
  return shared.openDatabase(url, { migrations, settings: { ...settings, pool: keepOne } });
}

/** Opens the database for a server, which leaves the tables as they are. */
export function joinDatabase(url: string): Promise<Knex> {
  const use = (knex: Knex) => checkMigrations(knex, migrations);
  return shared.connect(url, use, { ...settings, pool: { ...pool, afterCreate } });
}

/** Waits until work in the database is done, unless the database no longer answers: a server must be able to stop. */
export async function finish(work: Promise<void>): Promise<void> {
  await inTime(work).catch((error) =>
    console.error(`Could not close the database: ${shared.reason(error)}`),
  );
}

function afterCreate(
  connection: { query(sql: string, done: (error: Error | null) => void): void },
  done: (error: Error | null, connection: object) => void,
): void {
  const sql = timeouts.map((timeout) => `set ${timeout}`).join('; ');
  connection.query(sql, (error) => done(error, connection));
}
