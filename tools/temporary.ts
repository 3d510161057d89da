import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made = new Set<string>();
process.once('exit', () => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

/**
 * Makes an empty folder in the system's temporary folder. The caller calls `remove`; if it does not, the folder
 * is removed when the process exits.
 */
export async function makeTemporaryFolder(name = 'keep-users-logged-in-') {
  const path = await mkdtemp(join(tmpdir(), name));
  made.add(path);
  const remove = async () => {
    await rm(path, { recursive: true, force: true, maxRetries: 10 }); // a process may be ending there
    made.delete(path);
  };
  return { path, remove };
}
