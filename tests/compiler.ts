import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '#tools/steps.ts';

/**
 * Compiles one TypeScript file with the real compiler, strictly, in a folder of its own.
 *
 * @returns what the compiler printed: nothing when it has no objection.
 */
export async function compile(lines: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'compile-'));
  try {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    await writeFile(join(folder, 'file.mts'), lines.join('\n'));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023'];
    return await new Promise((resolve) => {
      execFile(process.execPath, [tsc, ...options, 'file.mts'], { cwd: folder }, (_error, stdout) =>
        resolve(stdout),
      );
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
