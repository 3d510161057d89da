import type { Knex } from 'knex';
import type { Additions } from '#database/open.ts';
import * as step05 from '#steps/05-failing-database/database.ts';
import { setUp } from '#steps/07-cheap-reads/database.ts';
import * as revokeSessions from './003-revoke-sessions.ts';

/** Opens the database as step 07 does, with what this step adds to the sessions table. */
export function openDatabase(url: string, added: Additions = {}): Promise<Knex> {
  return step05.openDatabase(url, {
    migrations: { '003-revoke-sessions': revokeSessions, ...added.migrations },
    settings: { pool: { afterCreate: setUp }, ...added.settings },
  });
}
