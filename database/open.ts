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
  const knex = createKnex(configuration(url));
  try {
    await knex.migrate.latest({ migrationSource: migrations });
    return knex;
  } catch (error) {
    await knex.destroy();
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
        connection: { filename: url.startsWith('file://') ? fileURLToPath(url) : url.slice(5) },
        useNullAsDefault: true,
        log: { warn() {}, error() {} }, // Knex would print what it throws as well
      };
    default:
      throw new DatabaseError(
        'DATABASE_URL is not an address this step understands. Give an SQLite file: file:PATH.',
      );
  }
}

/** What the driver said, without the SQL that Knex puts before it. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(message.lastIndexOf(' - ') + 1).replace(/^- /, '');
}
