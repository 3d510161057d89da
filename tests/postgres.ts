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

// Each worker of vitest makes its own databases in the PostgreSQL of the test run: copies of one that has the tables
// of step 09. To copy one takes a third of the time that the migrations would.
const template = `test_${process.pid}`;
const databases = new Set<string>();
let made = 0;
let admin: Promise<Knex> | undefined;
let spare: Promise<string> | undefined;

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
  const name = hasTables ? await (spare ?? copy(knex)) : await create(knex);
  if (hasTables) {
    spare = copy(knex); // for the next test: it is ready by then
    spare.catch(() => {}); // whoever needs it gets the error
  }
  databases.add(name);
  if (vi.isFakeTimers()) setClock(clocks, name, new Date());
  const drop = () => knex.raw('drop database ?? with (force)', [name]);
  return {
    url: urlOf(name),
    async empty() {
      await drop();
      await knex.raw('create database ?? template ??', [name, template]);
    },
    async remove() {
      databases.delete(name);
      await drop();
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
  await (await openDatabase(urlOf(template))).destroy();
  return knex;
}

async function copy(knex: Knex): Promise<string> {
  return create(knex, template);
}

async function create(knex: Knex, from = 'template1'): Promise<string> {
  const name = `${template}_${made++}`;
  await knex.raw('create database ?? template ??', [name, from]);
  return name;
}

function urlOf(name: string): string {
  return Object.assign(new URL(postgres().url), { pathname: name }).href;
}
