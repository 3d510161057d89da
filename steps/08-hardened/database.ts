import { existsSync } from 'node:fs';
import { chmod, open } from 'node:fs/promises';
import type { Knex } from 'knex';
import type { Database } from 'sqlite3';
import { hardening } from '#database/migrations/index.ts';
import { fileOf } from '#database/open.ts';
import * as step05 from '#steps/05-failing-database/database.ts';
import { setUp } from '#steps/07-cheap-reads/database.ts';

// The attacks: another account of this machine reads the database file; someone who has the file reads what was
// deleted from it.

const pragmas = `
  -- Overwrite what is deleted, such as the hashes of a deleted account. The price: more bytes are written.
  PRAGMA secure_delete = ON;
  -- Deleting a session or a user also deletes its rows in devices.
  PRAGMA foreign_keys = ON;`;

/** Opens the database as step 07 does, in a file that only this account of the machine can read. */
export async function openDatabase(url: string): Promise<Knex> {
  const file = fileOf(url);
  if (file !== ':memory:') await makePrivate(file);
  const settings = { pool: { afterCreate } };
  const knex = await step05.openDatabase(url, { migrations: hardening, settings });
  await knex.raw('PRAGMA wal_checkpoint(TRUNCATE)'); // until then, deleted rows are still in the -wal file
  return knex;
}

/** SQLite creates its other files, -wal and -shm, with the same mode. */
async function makePrivate(file: string): Promise<void> {
  try {
    await (await open(file, 'a', 0o600)).close();
    for (const name of [file, `${file}-wal`, `${file}-shm`]) {
      if (existsSync(name)) await chmod(name, 0o600); // an earlier step may have made it
    }
  } catch {
    // Then opening the database fails as well, and says why.
  }
}

function afterCreate(
  connection: Database,
  done: (error: Error | null, connection: Database) => void,
): void {
  setUp(connection, (error) => {
    if (error) return done(error, connection);
    connection.exec(pragmas, (error) => done(error, connection));
  });
}
