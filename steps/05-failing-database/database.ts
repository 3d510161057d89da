import type { Knex } from 'knex';
import * as shared from '#database/open.ts';
import * as createSessions from './002-create-sessions.ts';
import { skipAbandoned } from './in-time.ts';

/** Opens the database and creates the sessions table, so it exists before the first request. */
export async function openDatabase(url: string, added: shared.Additions = {}): Promise<Knex> {
  const knex = await shared.openDatabase(url, {
    migrations: { '002-create-sessions': createSessions, ...added.migrations },
    // Errors show the SQL without its values, which include session ids.
    settings: { compileSqlOnError: false, ...added.settings },
  });
  return skipAbandoned(knex);
}
