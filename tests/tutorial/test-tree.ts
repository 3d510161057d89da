import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '#tools/steps.ts';

interface Listed {
  name: string;
  file: string;
}

let listed: Promise<Listed[]> | undefined;

/**
 * What `npm test 01` prints when all tests pass: the tree of their names, with how many there are.
 *
 * @param step the beginning of the step's name.
 */
export async function testTree(step: string): Promise<string[]> {
  listed ??= listTests();
  const tests = (await listed).filter(({ file }) => file.includes(`/steps/${step}`));
  const groups = new Map<string, string[]>();
  for (const { name } of tests) {
    const path = name.split(' > ');
    const group = path.slice(0, -1).join(' > ');
    groups.set(group, [...(groups.get(group) ?? []), path.at(-1) ?? '']);
  }
  return [
    'first lines of vitest',
    ...[...groups].flatMap(([group, names]) => [
      `   ✓ ${group} (${names.length})`,
      ...names.map((name) => `     ✓ ${name}`),
    ]),
    'last lines of vitest',
  ];
}

async function listTests(): Promise<Listed[]> {
  const folder = await mkdtemp(join(tmpdir(), 'keep-users-logged-in-'));
  const file = join(folder, 'tests.json');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  try {
    const args = [vitest, 'list', `--json=${file}`, '--exclude', 'steps/practice*/**', 'steps/'];
    // All in one thread, which takes half the time; and without what this run of vitest tells its workers.
    args.push('--pool=threads', '--no-isolate', '--no-file-parallelism');
    const { PATH, HOME, TMPDIR = tmpdir() } = process.env;
    await promisify(execFile)(process.execPath, args, { cwd: root, env: { PATH, HOME, TMPDIR } });
    return JSON.parse(await readFile(file, 'utf8'));
  } finally {
    await rm(folder, { recursive: true });
  }
}
