import { join } from 'node:path';
import type { Knex } from 'knex';
import { onTestFinished } from 'vitest';
import { connect, openDatabase } from '#database/open.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';

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
export async function temporaryEnvironment(): Promise<{ DATABASE_URL: string }> {
  return { DATABASE_URL: `file:${join(await temporaryFolder(), 'test.sqlite3')}` };
}

/** An empty database, which is closed and deleted when the test has finished. */
export async function temporaryDatabase(open: (url: string) => Promise<Knex> = openDatabase) {
  const { DATABASE_URL } = await temporaryEnvironment();
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
