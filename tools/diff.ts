import { existsSync, readdirSync } from 'node:fs';
import { devNull } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { command, UsageError } from './command.ts';
import { run } from './processes.ts';
import { findStep, root, stepFolder } from './steps.ts';

const usage = 'Give two steps: npm run diff 2 3.';

await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length !== 2) throw new UsageError(usage);
  const [before, after] = positionals.map((name) => stepFolder(findStep(name)));
  if (!before || !after) return;
  if (before === after) throw new UsageError(`These are the same step. ${usage}`);
  for (const file of files(before, after)) await show(join(before, file), join(after, file));
}, usage);

/**
 * The code that differs, without the tests: the files that both steps have, then those that only the second
 * one has. A file that only the first one has is not shown: the second step imports it from there.
 */
function files(before: string, after: string): string[] {
  const code = readdirSync(after).filter((name) => /(?<!\.test)\.[jt]s$/.test(name));
  const isCommon = (name: string) => existsSync(join(before, name));
  return [...code.filter(isCommon), ...code.filter((name) => !isCommon(name))];
}

/** Prints the difference in one file, and nothing when it is the same. */
async function show(before: string, after: string): Promise<void> {
  const paths = [before, after].map((path) => (existsSync(path) ? relative(root, path) : devNull));
  const color = process.stdout.isTTY && !process.env.NO_COLOR ? 'always' : 'never';
  const options = ['--no-index', '--no-ext-diff', '--no-prefix', '--unified=2', `--color=${color}`];
  const git = await run('git', ['--no-pager', 'diff', ...options, '--', ...paths]);
  if (git.code === null)
    throw new UsageError('This command needs git. Install it from https://git-scm.com.');
  if (git.stderr) throw new UsageError(git.stderr.trim());
  // The first lines are git's own, and of no use to a reader.
  const lines = git.stdout.split('\n');
  const noise = /^(diff --git|index|new file mode) /;
  process.stdout.write(
    lines.filter((line) => !noise.test(stripVTControlCharacters(line))).join('\n'),
  );
}
