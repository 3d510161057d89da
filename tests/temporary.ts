import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { connect } from '#database/open.ts';

/** Makes an empty folder. Whoever makes it calls `remove`. */
export async function makeFolder() {
  const path = await mkdtemp(join(tmpdir(), 'keep-users-logged-in-'));
  return { path, remove: () => rm(path, { recursive: true }) };
}

/**
 * @param whenFinished of which test; a test that runs beside others gives its own.
 * @returns an empty folder that is deleted when the test has finished.
 */
export async function temporaryFolder(whenFinished = onTestFinished): Promise<string> {
  const { path, remove } = await makeFolder();
  whenFinished(remove);
  return path;
}

/** The environment of a server whose database is deleted when the test has finished. */
export async function temporaryEnvironment(): Promise<{ DATABASE_URL: string }> {
  return { DATABASE_URL: `file:${join(await temporaryFolder(), 'test.sqlite3')}` };
}

/** Runs one statement on a database behind the back of the server that uses it. */
export async function runSql(databaseUrl: string, sql: string): Promise<void> {
  const knex = await connect(databaseUrl, (knex) => knex.raw(sql));
  await knex.destroy();
}
