import type { Knex } from 'knex';
import { inject, vi } from 'vitest';
import { connect, openDatabase } from '#steps/10-many-servers/database.ts';
import { startPostgres } from '#steps/10-many-servers/postgres.ts';
import { forTests, installClock, setClock } from '#tools/postgres-clock.ts';
import { otherClocks } from './clock.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the PostgreSQL of this test run keeps its data and its clocks. */
    postgresFolder: string;
  }
}

/** A database for one test. */
export interface TestDatabase {
  url: string;
  /** Deletes it, whatever is connected to it. */
  remove(): Promise<void>;
}

// The first test that needs PostgreSQL starts it, and all workers of vitest share it. Each makes its own databases, as
// copies of one that has the tables of the last step. A copy takes ten times as long as emptying a database that a test
// has finished with, so those are used again.
const template = `test_${process.pid}`;
const databases = new Set<string>();
const free: string[] = [];
let made = 0;
let postgres: ReturnType<typeof start> | undefined;

/**
 * Makes a database in the PostgreSQL of this test run, with the tables of the last step. Its clock is the one that the
 * tests set: see `setDatabaseClocks`.
 *
 * @param hasTables false for a database without them.
 * @throws why PostgreSQL could not be started.
 */
export async function makePostgresDatabase(hasTables = true): Promise<TestDatabase> {
  postgres ??= start();
  const { admin, urlOf, emptyTables } = await postgres;
  const used = hasTables ? free.pop() : undefined;
  const name = used ?? `${template}_${made++}`;
  const from = hasTables ? template : 'template1';
  if (!used) await admin.raw('create database ?? template ??', [name, from]);
  databases.add(name);
  setClock(inject('postgresFolder'), name, vi.isFakeTimers() ? new Date() : undefined);
  return {
    url: urlOf(name),
    async remove() {
      databases.delete(name);
      if (hasTables && (await emptyTables(name))) free.push(name);
      else await admin.raw('drop database ?? with (force)', [name]);
    },
  };
}

/** Sets the clock of every database of these tests; `undefined` lets it run, at the real time. */
export function setDatabaseClocks(now?: Date): void {
  for (const name of databases) setClock(inject('postgresFolder'), name, now);
}

otherClocks.add(setDatabaseClocks);

async function start() {
  const folder = inject('postgresFolder');
  const { url } = await startPostgres(folder, forTests);
  const urlOf = (name: string) => Object.assign(new URL(url), { pathname: name }).href;
  const admin = await connect(url);
  await admin.raw('create database ??', [template]);
  await installClock(urlOf(template), folder);
  const tables = await openDatabase(urlOf(template));
  const schema = await schemaOf(tables);
  await tables.destroy();

  /** Ends the connections to a database, and deletes its rows. @returns whether its tables are as they were. */
  async function emptyTables(name: string): Promise<boolean> {
    const knex = await connect(urlOf(name));
    try {
      await knex.raw(`
        select pg_terminate_backend(pid, 1000) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid();
        delete from sessions; delete from attempts; delete from users;
        select setval('users_id_seq', 1, false)`);
      return (await schemaOf(knex)) === schema;
    } catch {
      return false; // such as a table that is missing
    } finally {
      await knex.destroy();
    }
  }
  return { admin, urlOf, emptyTables };
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
