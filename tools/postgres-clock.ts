import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '#steps/10-many-servers/database.ts';

/** For a PostgreSQL whose data nobody needs tomorrow: it does not wait for the disk, and tidies up nothing. */
export const forTests = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'autovacuum=off',
  'max_connections=300',
].flatMap((setting) => ['-c', setting]);

/**
 * Lets `now()` in a database of PostgreSQL, and in copies of it, be what a file says that is named after the database. For
 * connections that are opened from then on.
 *
 * @param folder of the file, for `setClock`.
 */
export async function installClock(url: string, folder: string): Promise<void> {
  const knex = await connect(url);
  await knex.raw(`
      create function public.now() returns timestamptz language sql stable as $$
        select case
          when clock like '%Z' then clock::timestamptz
          else pg_catalog.now() + coalesce(clock, '0 s')::interval
        end
        from pg_read_file('${folder}/clock-' || current_database(), true) as clock
      $$;
      alter role all set search_path = public, pg_catalog`);
  await knex.destroy();
}

/**
 * Sets the clock of a database, for `installClock`.
 *
 * @param now the time at which it stands still, or how far it is ahead of the real time, in milliseconds.
 */
export function setClock(folder: string, database: string, now: Date | number = 0): void {
  const file = join(folder, `clock-${database}`);
  // In one move: a query may read it at any moment.
  writeFileSync(`${file}.new`, now instanceof Date ? now.toISOString() : `${now / 1000} s`);
  renameSync(`${file}.new`, file);
}
