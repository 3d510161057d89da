import type { Knex } from 'knex';
import { inject, vi } from 'vitest';
import { connect } from '#database/open.ts';
import { installClock, setClock } from '#tools/databases.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The PostgreSQL of this test run, and the folder of its clocks; or why it could not be started. */
    postgres: { url: string; clocks: string } | { problem: string };
  }
}

/** A database for one test. */
export interface TestDatabase {
  url: string;
  /** Deletes what is in it. Nothing may be connected to it. */
  empty(): Promise<void>;
  /** Deletes it, whatever is connected to it. */
  remove(): Promise<void>;
}

// Each worker of vitest makes its own databases in the PostgreSQL of the test run, as copies of one that has the
// tables of step 09. A copy takes ten times as long as emptying a database that a test has finished with, so those
// are used again.
const template = `test_${process.pid}`;
const databases = new Set<string>();
const free: string[] = [];
let made = 0;
let admin: Promise<Knex> | undefined;
let schema: string;

/**
 * Makes a database in the PostgreSQL of this test run, with the tables of step 09. Its clock is the one that the tests
 * set: see `setDatabaseClocks`.
 *
 * @param hasTables false for a database without them.
 * @throws why PostgreSQL could not be started.
 */
export async function makePostgresDatabase(hasTables = true): Promise<TestDatabase> {
  const { clocks } = postgres();
  admin ??= begin();
  const knex = await admin;
  const used = hasTables ? free.pop() : undefined;
  const name = used ?? `${template}_${made++}`;
  const create = (from: string) => knex.raw('create database ?? template ??', [name, from]);
  const drop = () => knex.raw('drop database ?? with (force)', [name]);
  if (!used) await create(hasTables ? template : 'template1');
  databases.add(name);
  setClock(clocks, name, vi.isFakeTimers() ? new Date() : undefined);
  return {
    url: urlOf(name),
    async empty() {
      if (await emptyTables(name)) return;
      await drop();
      await create(template);
    },
    async remove() {
      databases.delete(name);
      if (hasTables && (await emptyTables(name))) free.push(name);
      else await drop();
    },
  };
}

/** Sets the clock of every database of these tests; `undefined` lets it run, at the real time. */
export function setDatabaseClocks(now: Date | undefined): void {
  for (const name of databases) setClock(postgres().clocks, name, now);
}

function postgres() {
  const postgres = inject('postgres');
  if ('problem' in postgres) throw new Error(postgres.problem);
  return postgres;
}

async function begin(): Promise<Knex> {
  const { url, clocks } = postgres();
  const knex = await connect(url, (knex) => knex.raw('create database ??', [template]));
  await installClock(urlOf(template), clocks);
  const { openDatabase } = await import('#steps/09-many-servers/database.ts');
  const tables = await openDatabase(urlOf(template));
  schema = await schemaOf(tables);
  await tables.destroy();
  return knex;
}

/** Ends the connections to a database, and deletes its rows. @returns whether its tables are as they were. */
async function emptyTables(name: string): Promise<boolean> {
  const knex = await connect(urlOf(name), async () => {});
  try {
    await knex.raw(`
      select pg_terminate_backend(pid, 1000) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid();
      delete from sessions; delete from devices; delete from attempts; delete from users;
      select setval('users_id_seq', 1, false)`);
    return (await schemaOf(knex)) === schema;
  } catch {
    return false; // such as a table that is missing
  } finally {
    await knex.destroy();
  }
}

/** Everything that a test could have changed, besides rows. */
async function schemaOf(knex: Knex): Promise<string> {
  const { rows } = await knex.raw(`
    select string_agg(it, ' ' order by it) as schema from (
      select concat_ws(' ', relname, relkind, attname, atttypid, attnotnull, atthasdef)
        from pg_class join pg_attribute on attrelid = pg_class.oid where relnamespace = 'public'::regnamespace
      union all select prosrc from pg_proc where pronamespace = 'public'::regnamespace
      union all select tgname from pg_trigger where not tgisinternal
      union all select conname from pg_constraint where connamespace = 'public'::regnamespace
      union all select name from knex_migrations
      union all select concat(is_locked) from knex_migrations_lock
    ) as everything (it)`);
  return rows[0].schema;
}

function urlOf(name: string): string {
  return Object.assign(new URL(postgres().url), { pathname: name }).href;
}
