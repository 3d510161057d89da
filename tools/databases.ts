import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { connect } from '#database/open.ts';
import * as step10 from '#steps/10-many-servers/database.ts';
import { startPostgres } from '#steps/10-many-servers/postgres.ts';
import { readStep } from '#steps/shared/step.ts';
import { forTests, installClock, setClock } from './postgres-clock.ts';
import { stepFolder } from './steps.ts';
import { makeTemporaryFolder } from './temporary.ts';

/** A database for a step's server, in a temporary folder. */
export interface TemporaryDatabase {
  url: string;
  /** Lets time pass for the database, if it has a clock of its own. @param duration in milliseconds. */
  passTime(duration: number): Promise<void>;
  /** Stops the database, and deletes it. */
  remove(): Promise<void>;
}

/**
 * Makes an empty database of the kind that a step uses.
 *
 * @param folder for it, which need not exist; by default a temporary one.
 */
export async function makeDatabase(step: string, folder?: string): Promise<TemporaryDatabase> {
  const path = folder ?? (await makeTemporaryFolder()).path;
  await mkdir(path, { recursive: true });
  const remove = () => rm(path, { recursive: true, force: true });
  if (readStep(stepFolder(step)).store !== 'postgresql') {
    return { url: `file:${join(path, 'test.sqlite3')}`, passTime: async () => {}, remove };
  }
  const postgres = await startPostgres(path, forTests);
  await installClock(postgres.url, path);
  let passed = 0;
  return {
    url: postgres.url,
    async passTime(duration) {
      passed += duration;
      setClock(path, 'postgres', passed);
    },
    async remove() {
      await postgres.stop();
      await remove();
    },
  };
}

/** @returns whether a URL names a PostgreSQL. Otherwise, it names an SQLite file. */
export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:/.test(url);
}

/** @returns whether a database is PostgreSQL; otherwise it is SQLite. */
export function isPostgres(knex: Knex): boolean {
  return knex.client.dialect === 'postgresql';
}

/** Connects to a database of any step, as it is. The caller calls `destroy`. */
export function connectTo(url: string): Promise<Knex> {
  return isPostgresUrl(url) ? step10.connect(url) : connect(url, (knex) => knex.raw('select 1'));
}
