import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';

/**
 * Compiles one TypeScript file with the real compiler, strictly, in a folder of its own.
 *
 * @returns what the compiler printed: nothing when there is no error.
 */
export async function compile(lines: string[]): Promise<string> {
  const { path, remove } = await makeTemporaryFolder();
  try {
    await symlink(join(root, 'node_modules'), join(path, 'node_modules'), 'junction');
    await writeFile(join(path, 'file.mts'), lines.join('\n'));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023'];
    const { stdout } = await run(process.execPath, [tsc, ...options, 'file.mts'], { cwd: path });
    return stdout;
  } finally {
    await remove();
  }
}
