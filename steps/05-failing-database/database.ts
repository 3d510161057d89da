import type { Knex } from 'knex';
import { sessionsTable } from '#database/migrations/index.ts';
import * as shared from '#database/open.ts';

/** Opens the database and creates the sessions table, so it exists before the first request. */
export function openDatabase(url: string, more: shared.Additions = {}): Promise<Knex> {
  const settings = {
    compileSqlOnError: false, // errors show the SQL without its values, which include session ids
    // How long a statement may wait for the connection, in milliseconds. Requests give up sooner (see inTime);
    // this takes their statements out of the queue. It is long because time spent on hashing counts, too.
    acquireConnectionTimeout: 30_000,
    ...more.settings,
  };
  return shared.openDatabase(url, {
    migrations: { ...sessionsTable, ...more.migrations },
    settings,
  });
}
