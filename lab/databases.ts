import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '#tools/processes.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';

const prefix = 'keep-users-logged-in-lab-';

/**
 * Makes a temporary folder for the databases of this lab, named after its process, and deletes the folders
 * of labs that were killed before they could do so themselves.
 */
export async function makeDatabaseFolder() {
  for (const name of await readdir(tmpdir())) {
    const owner = Number(name.startsWith(prefix) && name.slice(prefix.length).split('-')[0]);
    if (!owner || isAlive(owner)) continue;
    const path = join(tmpdir(), name);
    await rm(path, { recursive: true, force: true }).catch(() => {}); // another account's: not ours to delete
  }
  return makeTemporaryFolder(`${prefix}${process.pid}-`);
}
