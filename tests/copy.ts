import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '#tools/steps.ts';

/**
 * Copies the project as somebody who clones it gets it, changes that are not committed included, into an
 * empty folder. What is installed is shared with it.
 */
export async function copyProject(folder: string): Promise<void> {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
  const { stdout } = await promisify(execFile)('git', list, { cwd: root });
  const files = stdout.split('\0').filter(Boolean);
  // Git lists what is installed when it is a link; and files that were deleted, and are not yet forgotten.
  for (const file of files.filter(
    (file) => file !== 'node_modules' && existsSync(join(root, file)),
  )) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(root, file), join(folder, file));
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
}
