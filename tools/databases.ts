import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '#database/open.ts';
import { startPostgres } from '#database/postgres.ts';
import { readStep } from '#steps/shared/step.ts';
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
  const clock = join(path, 'clock');
  await installClock(postgres.url, clock);
  let passed = 0;
  return {
    url: postgres.url,
    async passTime(duration) {
      passed += duration;
      await writeFile(clock, `${passed / 1000} s`);
    },
    async remove() {
      await postgres.stop();
      await remove();
    },
  };
}

/** For a PostgreSQL whose data nobody needs tomorrow: it does not wait for the disk, and tidies up nothing. */
export const forTests = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'autovacuum=off',
  'max_connections=300',
].flatMap((setting) => ['-c', setting]);

/**
 * Lets `now()` in a PostgreSQL be ahead of the real time by what a file says, such as `3600 s`. For connections that are
 * opened from then on.
 */
export async function installClock(url: string, file: string): Promise<void> {
  await writeFile(file, '0 s');
  const database = new URL(url).pathname.slice(1);
  const knex = await connect(url, (knex) =>
    knex.raw(`
      create function public.now() returns timestamptz language sql stable
        as $$ select pg_catalog.now() + pg_read_file('${file}')::interval $$;
      alter database "${database}" set search_path = public, pg_catalog`),
  );
  await knex.destroy();
}
