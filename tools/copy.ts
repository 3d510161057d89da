import { existsSync } from 'node:fs';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from './processes.ts';
import { root } from './steps.ts';

/** The files of the project, uncommitted ones included: what a fresh clone would have. */
export async function projectFiles(): Promise<string[]> {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
  const { stdout } = await run('git', list);
  // Git also lists deleted files until the deletion is committed, and node_modules when it is a link.
  const isFile = (file: string) => file !== 'node_modules' && existsSync(join(root, file));
  return stdout.split('\0').filter(Boolean).filter(isFile);
}

/** Copies the project into a new folder, which shares the installed packages. */
export async function copyProject(folder: string): Promise<void> {
  for (const file of await projectFiles()) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(root, file), join(folder, file));
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
}

/** Makes the copy a Git repository of its own, in which everything is committed. */
export async function commitCopy(folder: string): Promise<void> {
  const author = ['-c', 'user.name=reader', '-c', 'user.email=reader@localhost'];
  const commands = [
    ['init', '-q'],
    ['add', '-A'],
    [...author, 'commit', '-qm', 'As cloned'],
  ];
  for (const args of commands) await run('git', args, { cwd: folder });
}
