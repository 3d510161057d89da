import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';

// docs/logged-out.md has two commands for one hash.
test.runIf(process.platform === 'linux').each([
  ['a secret', { SESSION_SECRET: 'one = $two' }],
  ['no secret', { SESSION_SECRET: undefined }],
])('both commands that hash the secret of a server print the same for %s', async (_what, env) => {
  const text = await readFile(join(root, 'docs/logged-out.md'), 'utf8');
  const ofProcess = /^\$ (tr .*sha256sum.*)$/m.exec(text)?.[1]?.replace(/\d+(?=\/environ)/, '$$$$');
  const ofEnvironment = /^node -p .*sha256.*$/m.exec(text)?.[0];
  const hashes = await Promise.all(
    [ofProcess, ofEnvironment].map((command = '') => run('bash', ['-c', command], { env })),
  );
  expect(hashes[0]?.stdout).toMatch(/^[0-9a-f]{8}\n$/);
  expect(hashes[1]?.stdout).toBe(hashes[0]?.stdout);
});
