import { fileURLToPath } from 'node:url';
import createKnex, { type Knex } from 'knex';
import { migrations } from './migrations/index.ts';

/** The database could not be opened. Its message is one sentence for the person who started the server. */
export class DatabaseError extends Error {}

/**
 * Opens a database and brings its tables up to date.
 *
 * @param url `file:PATH` of an SQLite file, which is created when it is missing (its folder is not), or
 *   `file::memory:` for a database that lives as long as the connection. A relative path starts at the
 *   working directory.
 * @returns the application's Knex instance; whoever opened it calls `destroy()` on it.
 * @throws {DatabaseError} when the address is not understood, or the database cannot be used.
 */
export async function openDatabase(url: string): Promise<Knex> {
  return connect(url, (knex) => knex.migrate.latest({ migrationSource: migrations }));
}

/** Opens a database that exists, as `openDatabase` does, but only for reading: nothing in it changes. */
export async function readDatabase(url: string): Promise<Knex> {
  return connect(url, async (knex) => {
    await knex.raw('PRAGMA query_only = ON');
    await knex.schema.hasTable('users');
  });
}

/**
 * Connects to a database. A connection is only made when it is needed: `use` needs it, and so shows
 * whether it can be made.
 *
 * @param settings what Knex is told beyond the address.
 * @throws {DatabaseError} when the address is not understood, or `use` failed.
 */
export async function connect(
  url: string,
  use: (knex: Knex) => Promise<unknown>,
  settings: Knex.Config = {},
): Promise<Knex> {
  const knex = createKnex({ ...configuration(url), ...settings });
  try {
    await use(knex);
    return knex;
  } catch (error) {
    await knex.destroy();
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(
      `Cannot open the database ${url} (${reason(error)}). ` +
        'Check DATABASE_URL: the folder must exist, and the file must be a database you may write to.',
    );
  }
}

/** Each kind of database has its own line here, found by the protocol of the URL. */
function configuration(url: string): Knex.Config {
  const protocol = url.slice(0, url.indexOf(':') + 1);
  switch (protocol) {
    case 'file:':
      return {
        client: 'sqlite3',
        connection: { filename: fileOf(url) },
        useNullAsDefault: true,
        log: { warn() {}, error() {} }, // Knex would print what it throws as well
      };
    default:
      throw new DatabaseError(
        'DATABASE_URL is not an address this step understands. Give an SQLite file: file:PATH.',
      );
  }
}

/** @returns the path in a `file:` URL. */
export function fileOf(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : url.replace(/^file:/, '');
}

/** @returns what the driver said, without the SQL that Knex puts before it. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(message.lastIndexOf(' - ') + 1).replace(/^- /, '');
}
