import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { basename, join, relative } from 'node:path';
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
  let isSame = true;
  for (const file of files(before, after)) {
    const shown = await compare(
      builds(before, after, file) ? undefined : join(before, file),
      join(after, file),
    );
    process.stdout.write(shown);
    if (shown) isSame = false;
  }
  if (isSame) console.log('The code of these steps is the same.');
}, usage);

/**
 * The code that differs, without the tests: the files that both steps have, then the new ones: those that only the
 * second step has, and those that import the file they build on. A file that only the first step has is not shown.
 */
function files(before: string, after: string): string[] {
  const code = readdirSync(after).filter((name) => /(?<!\.test)\.[jt]s$/.test(name));
  const isCommon = (name: string) => existsSync(join(before, name)) && !builds(before, after, name);
  return [...code.filter(isCommon), ...code.filter((name) => !isCommon(name))];
}

/** @returns whether a file imports the one of that name in the step before: a class that it extends, for example. */
function builds(before: string, after: string, file: string): boolean {
  return readFileSync(join(after, file), 'utf8').includes(`/${basename(before)}/${file}'`);
}

/** @returns the difference in one file, or nothing when it is the same. @param before undefined shows all of it. */
async function compare(before: string | undefined, after: string): Promise<string> {
  const paths = [before, after].map((path) =>
    path && existsSync(path) ? relative(root, path) : devNull,
  );
  const color = process.stdout.isTTY && !process.env.NO_COLOR ? 'always' : 'never';
  const options = ['--no-index', '--no-ext-diff', '--no-prefix', '--unified=2', `--color=${color}`];
  const git = await run('git', ['--no-pager', 'diff', ...options, '--', ...paths]);
  if (git.code === null)
    throw new UsageError('This command needs git. Install it from https://git-scm.com.');
  if (git.stderr) throw new UsageError(git.stderr.trim());
  // The first lines are git's own, and of no use to a reader.
  const lines = git.stdout.split('\n');
  const noise = /^(diff --git|index|new file mode) /;
  return lines.filter((line) => !noise.test(stripVTControlCharacters(line))).join('\n');
}
