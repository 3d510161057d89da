import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import type { Knex } from 'knex';
import type { Database } from 'sqlite3';
import { reason } from '#database/errors.ts';
import { fileOf } from '#database/open.ts';
import { setUp } from '#steps/07-cheap-reads/database.ts';
import * as step08 from '#steps/08-revoke-sessions/database.ts';
import * as countAttempts from './004-count-attempts.ts';

// The attacks: another account of this machine reads the database file; someone who has the file reads what was
// deleted from it.

// The price: more bytes are written.
const overwriteDeleted = 'PRAGMA secure_delete = ON';

/** Opens the database as step 08 does, in a file that only this account of the machine can read. */
export async function openDatabase(url: string): Promise<Knex> {
  const file = fileOf(url);
  if (file !== ':memory:') await createPrivate(file);
  const knex = await step08.openDatabase(url, {
    migrations: { '004-count-attempts': countAttempts },
    settings: { pool: { afterCreate } },
  });
  await knex.raw('PRAGMA wal_checkpoint(TRUNCATE)'); // until then, deleted rows are still in the -wal file
  await makePrivate(file); // not before: only now is it known to be this database
  return knex;
}

/** SQLite creates its other files, -wal and -shm, with the same mode. */
async function createPrivate(file: string): Promise<void> {
  // If this fails, the file exists, or opening the database fails as well, and says why.
  await writeFile(file, '', { flag: 'wx', mode: 0o600 }).catch(() => {});
}

/** An earlier step may have created the files. */
async function makePrivate(file: string): Promise<void> {
  try {
    for (const name of [file, `${file}-wal`, `${file}-shm`]) {
      if (existsSync(name)) await chmod(name, 0o600);
    }
  } catch (error) {
    console.error(`Other accounts may be able to read the database: ${reason(error)}`);
  }
}

function afterCreate(
  connection: Database,
  done: (error: Error | null, connection: Database) => void,
): void {
  setUp(connection, (error) => {
    if (error) return done(error, connection);
    connection.exec(overwriteDeleted, (error) => done(error, connection));
  });
}
