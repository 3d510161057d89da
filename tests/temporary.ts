import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { onTestFinished } from 'vitest';
import { connect, openDatabase } from '#database/open.ts';
import { readStep, type Step } from '#steps/shared/step.ts';
import { stepFolder } from '#tools/steps.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { makePostgresDatabase, type TestDatabase } from './postgres.ts';

/**
 * @param whenFinished registers the deletion; a concurrent test passes the hook from its own context.
 * @returns an empty folder that is deleted when the test has finished.
 */
export async function temporaryFolder(whenFinished = onTestFinished): Promise<string> {
  const { path, remove } = await makeTemporaryFolder();
  whenFinished(remove);
  return path;
}

/** Makes an empty database of the kind that a step uses. The caller calls `remove`. */
export async function makeTestDatabase(store: Step['store'] = 'sqlite'): Promise<TestDatabase> {
  if (store === 'postgresql') return makePostgresDatabase();
  const { path, remove } = await makeTemporaryFolder();
  const file = join(path, 'test.sqlite3');
  return { url: `file:${file}`, empty: () => rm(file), remove };
}

/** The environment of a server whose database is deleted when the test has finished. */
export async function temporaryEnvironment(
  store?: Step['store'],
): Promise<{ DATABASE_URL: string }> {
  const { url, remove } = await makeTestDatabase(store);
  onTestFinished(remove);
  return { DATABASE_URL: url };
}

/** The same, for the server of a step. */
export function environmentOf(step: string): Promise<{ DATABASE_URL: string }> {
  return temporaryEnvironment(readStep(stepFolder(step)).store);
}

/** An empty database, which is closed and deleted when the test has finished. */
export async function temporaryDatabase(
  open: (url: string) => Promise<Knex> = openDatabase,
  store?: Step['store'],
) {
  const { DATABASE_URL } = await temporaryEnvironment(store);
  const knex = await open(DATABASE_URL);
  onTestFinished(() => knex.destroy());
  return knex;
}

/** Runs one statement on a database that a server is using. */
export async function runSql(databaseUrl: string, sql: string): Promise<void> {
  const knex = await connect(databaseUrl, (knex) => knex.raw(sql));
  await knex.destroy();
}

/** @returns a list that fills with the statements which begin with a word */
export function statementsOf(knex: Knex, word = ''): string[] {
  const statements: string[] = [];
  knex.on('query', ({ sql }: { sql: string }) => {
    if (sql.startsWith(word)) statements.push(sql);
  });
  return statements;
}

/** Waits until a database has done all queries so far, even while the clock is stopped. */
export async function settled({ client: { pool } }: Knex): Promise<void> {
  const isBusy = () => pool.numUsed() + pool.numPendingAcquires() + pool.numPendingCreates() > 0;
  while (isBusy()) await new Promise(setImmediate);
}
