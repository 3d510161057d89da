import type { Knex } from 'knex';
import { onTestFinished } from 'vitest';
import { openDatabase } from '#database/open.ts';
import { readStep, type Step } from '#steps/shared/step.ts';
import { connectTo } from '#tools/databases.ts';
import { stepFolder } from '#tools/steps.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { makePostgresDatabase } from './postgres.ts';

export { settled } from './step.ts';

/**
 * @param whenFinished registers the deletion; a concurrent test passes the hook from its own context.
 * @returns an empty folder that is deleted when the test has finished.
 */
export async function temporaryFolder(whenFinished = onTestFinished): Promise<string> {
  const { path, remove } = await makeTemporaryFolder();
  whenFinished(remove);
  return path;
}

/** The environment of a server whose database is deleted when the test has finished. */
export async function temporaryEnvironment(
  store: Step['store'] = 'sqlite',
): Promise<{ DATABASE_URL: string }> {
  if (store !== 'postgresql')
    return { DATABASE_URL: `file:${await temporaryFolder()}/test.sqlite3` };
  const { url, remove } = await makePostgresDatabase();
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
  const knex = await connectTo(databaseUrl);
  await knex.raw(sql).finally(() => knex.destroy());
}

/** @returns a list that fills with the statements which begin with a word */
export function statementsOf(knex: Knex, word = ''): string[] {
  const statements: string[] = [];
  knex.on('query', ({ sql }: { sql: string }) => {
    if (sql.startsWith(word)) statements.push(sql);
  });
  return statements;
}
