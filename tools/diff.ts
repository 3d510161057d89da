import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { devNull } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { command, UsageError } from './command.ts';
import { findStep, root, stepFolder } from './steps.ts';

await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length !== 2) throw new UsageError('Give two steps: npm run diff 2 3.');
  const [before, after] = positionals.map((name) => stepFolder(findStep(name)));
  if (!before || !after) return;
  if (before === after)
    throw new UsageError('These are the same step. Give two: npm run diff 2 3.');
  for (const file of files(before, after)) show(join(before, file), join(after, file));
});

/**
 * The code of both steps, what they have in common before what is new, without their tests: those tell the
 * lesson in their own words.
 */
function files(...folders: string[]): string[] {
  const names = folders.flatMap((folder) => readdirSync(folder)).sort();
  const code = [...new Set(names)].filter((name) => /(?<!\.test)\.ts$/.test(name));
  const isCommon = (name: string) => folders.every((folder) => existsSync(join(folder, name)));
  return [...code.filter(isCommon), ...code.filter((name) => !isCommon(name))];
}

/** Prints what git finds different in one file, and nothing when it is the same. */
function show(before: string, after: string): void {
  const paths = [before, after].map((path) => (existsSync(path) ? relative(root, path) : devNull));
  const color = process.stdout.isTTY && !process.env.NO_COLOR ? 'always' : 'never';
  const options = ['--no-index', '--no-ext-diff', '--no-prefix', '--unified=2', `--color=${color}`];
  const git = spawnSync('git', ['--no-pager', 'diff', ...options, '--', ...paths], {
    cwd: root,
    encoding: 'utf8',
  });
  if (git.error)
    throw new UsageError('This command needs git. Install it from https://git-scm.com.');
  if (git.stderr) throw new UsageError(git.stderr.trim());
  // Lines of git's own come first, of which a reader has no use.
  const lines = git.stdout.split('\n');
  const noise = /^(diff --git|index|new file mode) /;
  process.stdout.write(
    lines.filter((line) => !noise.test(stripVTControlCharacters(line))).join('\n'),
  );
}
