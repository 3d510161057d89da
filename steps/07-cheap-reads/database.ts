import type { Knex } from 'knex';
import type { Database } from 'sqlite3';
import * as step05 from '#steps/05-failing-database/database.ts';

const pragmas = `
  -- Writes go to a second file, so readers do not wait for a writer, and a commit is one short write. The
  -- price: a backup needs VACUUM INTO, as copying the files may mix old and new; and the disk must be local.
  PRAGMA journal_mode = WAL;
  -- Do not wait for the disk at each commit. A process that dies loses nothing. The price: at a power cut
  -- the last few commits may be lost: logins, but also logouts and changed passwords.
  PRAGMA synchronous = NORMAL;
  -- Wait up to 250 ms for another writer, then fail with SQLITE_BUSY. The price: all queries that wait for
  -- this connection wait, too. The driver's own limit is a second.
  PRAGMA busy_timeout = 250;`;

/** Opens the database as step 05 does, with each connection set up for a server. */
export function openDatabase(url: string): Promise<Knex> {
  return step05.openDatabase(url, { settings: { pool: { afterCreate: setUp } } });
}

export function setUp(
  connection: Database,
  done: (error: Error | null, connection: Database) => void,
): void {
  connection.exec(pragmas, (error) => {
    if (!error) return done(null, connection);
    connection.close(() => done(error, connection)); // nothing else would close it
  });
}
