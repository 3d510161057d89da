import type { Knex } from 'knex';
import { sessionsTable } from '#database/migrations/index.ts';
import * as shared from '#database/open.ts';

/** Opens the database, sessions table included: it exists before the first request. */
export function openDatabase(url: string, more: shared.Additions = {}): Promise<Knex> {
  const settings = {
    compileSqlOnError: false, // errors show a statement without its values, which are session ids
    // How long a statement may wait for the connection, in milliseconds. Requests give up sooner, see inTime;
    // this removes their statements from the queue. It is long because it also counts time spent on hashing.
    acquireConnectionTimeout: 30_000,
    ...more.settings,
  };
  return shared.openDatabase(url, {
    migrations: { ...sessionsTable, ...more.migrations },
    settings,
  });
}
