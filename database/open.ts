import createKnex, { type Knex } from 'knex';
import { DatabaseError, reason } from './errors.ts';
import { type Migrations, migrate } from './migrate.ts';

export { DatabaseError, reason };

/** What a step adds. */
export interface Additions {
  /** Migrations by name, which run after that of the users table. */
  migrations?: Migrations;
  /** Knex settings besides the file. */
  settings?: Knex.Config;
}

/**
 * Opens an SQLite database and brings its tables up to date.
 *
 * @param url `file:PATH`; the file is created if it is missing (its folder is not). `file::memory:` is a database that
 *   lives as long as the connection. A relative path starts at the working directory.
 * @returns the application's Knex instance; the caller calls `destroy()` on it.
 * @throws {DatabaseError} when the database cannot be used, or another program keeps it locked.
 */
export async function openDatabase(
  url: string,
  { migrations = {}, settings = {} }: Additions = {},
): Promise<Knex> {
  return connect(url, (knex) => migrate(knex, migrations), settings);
}

/** Opens an existing database for reading only. @throws {DatabaseError} as `openDatabase` does. */
export async function readDatabase(url: string): Promise<Knex> {
  return connect(url, async (knex) => {
    await knex.raw('PRAGMA query_only = ON');
    await knex.schema.hasTable('users');
  });
}

/** Opens an SQLite database. @param firstQuery makes the first query: Knex connects only then. */
export async function connect(
  url: string,
  firstQuery: (knex: Knex) => Promise<unknown>,
  settings: Knex.Config = {},
): Promise<Knex> {
  const knex = createKnex({
    client: 'sqlite3',
    connection: { filename: fileOf(url) },
    useNullAsDefault: true,
    log: { warn() {}, error() {} }, // Knex would also print what it throws
    ...settings,
  });
  try {
    await firstQuery(knex);
    return knex;
  } catch (error) {
    await knex.destroy();
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(
      `Cannot open the database ${url} (${reason(error)}). ` +
        'Check DATABASE_URL: the folder must exist, and the file must be a database that you can write to.',
    );
  }
}

/** @returns the path in a `file:` URL. @throws {DatabaseError} when it is another URL, or has no path. */
export function fileOf(url: string): string {
  const [, path] = /^file:(.+)/.exec(url) ?? [];
  if (!path) throw new DatabaseError('DATABASE_URL must name an SQLite file: file:PATH.');
  return path;
}
