import { fileURLToPath } from 'node:url';
import createKnex, { type Knex } from 'knex';
import { isPostgres } from './clock.ts';
import { DatabaseError } from './errors.ts';
import { migrate } from './migrate.ts';

export { DatabaseError };

/** What a step adds to the database that all steps share. */
export interface Additions {
  /** Migrations by name, which run after the shared ones. */
  migrations?: Record<string, Knex.Migration>;
  /** Knex settings besides the address. */
  settings?: Knex.Config;
}

/**
 * Opens a database and brings its tables up to date.
 *
 * @param url `file:PATH` of an SQLite file, which is created if it is missing (its folder is not), or
 *   `file::memory:` for a database that lives as long as the connection. A relative path starts at the
 *   working directory.
 * @returns the application's Knex instance; the caller calls `destroy()` on it.
 * @throws {DatabaseError} when the address is not supported, the database cannot be used, or another
 *   program keeps it locked.
 */
export async function openDatabase(
  url: string,
  { migrations = {}, settings = {} }: Additions = {},
): Promise<Knex> {
  return connect(url, (knex) => migrate(knex, migrations), settings);
}

/** Opens an existing database for reading only. */
export async function readDatabase(url: string): Promise<Knex> {
  return connect(url, async (knex) => {
    if (!isPostgres(knex)) await knex.raw('PRAGMA query_only = ON');
    await knex.schema.hasTable('users');
  });
}

/**
 * Connects to a database. Knex connects at the first query: `use` makes one, which shows whether the database
 * can be used.
 *
 * @param settings Knex settings besides the address.
 * @throws {DatabaseError} when the address is not supported, or `use` failed.
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
      `Cannot open the database ${withoutPassword(url)} (${reason(error)}). ${
        isPostgresUrl(url)
          ? 'Check DATABASE_URL, and that PostgreSQL is running there.'
          : 'Check DATABASE_URL: the folder must exist, and the file must be a database that you can write to.'
      }`,
    );
  }
}

/** The protocol of the URL says which kind of database it is. */
function configuration(url: string): Knex.Config {
  const log = { warn() {}, error() {} }; // Knex would also print what it throws
  if (isPostgresUrl(url)) {
    return { client: 'pg', connection: { connectionString: url, ...timeouts }, log };
  }
  if (url.startsWith('file:')) {
    const connection = { filename: fileOf(url) };
    return { client: 'sqlite3', connection, useNullAsDefault: true, log };
  }
  throw new DatabaseError(
    'DATABASE_URL is not an address this step understands. Use file:PATH for an SQLite file, or postgres://… for a PostgreSQL.',
  );
}

/** In milliseconds. Without them a client waits as long as the network does, which can be hours. */
const timeouts = { connectionTimeoutMillis: 2000, statement_timeout: 10_000 };

/** @returns whether a URL names a PostgreSQL. */
export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:/.test(url);
}

/** @returns a URL that is safe to print. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:/@]*):.*@/, '$1@').replace(/([?&]password=)[^&]*/, '$1…');
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
