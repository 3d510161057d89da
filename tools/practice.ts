import { existsSync } from 'node:fs';
import { chmod, cp, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readStep } from '#steps/shared/step.ts';
import { command, UsageError } from './command.ts';
import { runInTerminal } from './processes.ts';
import { findStep, numberOf, practice, root, stepFolder, stepNames } from './steps.ts';
import { makeTemporaryFolder } from './temporary.ts';

// npm run practice 3: write step 3 yourself, starting from step 2. Without a number: continue.
// Options are passed to vitest: npm run practice -- --bail=0 does not stop at a failing test.
await command(async () => {
  const words = process.argv.slice(2);
  const options = words.filter((word) => word.startsWith('-'));
  const [step, ...more] = words.filter((word) => !word.startsWith('-'));
  if (more.length > 0)
    throw new UsageError(
      'Give one step: npm run practice 3. The value of an option follows an equals sign: --testNamePattern=login.',
    );
  const folder = findStep(step ?? practice); // to continue, there must be one
  if (folder !== practice) await begin(folder);
  await runTests(options);
});

/** Fills the reader's folder with the code of the step before and the tests of the step itself. */
async function begin(step: string): Promise<void> {
  const before = stepNames[stepNames.indexOf(step) - 1];
  if (!before) {
    throw new UsageError(
      `The tutorial begins with ${step}, so there is no step to start from. Practise step 2: npm run practice 2.`,
    );
  }
  await keepEarlier();
  const folder = stepFolder(practice);
  const copy = (from: string, isWanted: (path: string) => boolean) =>
    cp(from, folder, { recursive: true, filter: (path) => path === from || isWanted(path) });
  // A step that adds more than its lesson gives you the rest: its folder has a subfolder practice with the code
  // to start from.
  const start = join(stepFolder(step), practice);
  await copy(stepFolder(existsSync(start) ? step : before), isCode);
  if (existsSync(start)) await copyStart(start, step);
  await copy(stepFolder(step), isTest);
  const own = { ...readStep(stepFolder(step)), title: 'Your own step', practises: step };
  await writeFile(join(folder, 'step.json'), `${JSON.stringify(own, null, 2)}\n`);
  const number = numberOf(step);
  console.log(`
steps/practice holds the code of ${existsSync(start) ? `${step} without its lesson,` : before} and the tests of ${step}.

  First   ${own.firstMove ?? 'Read what the first failing test says.'}
  Stuck?  The first failing test says what to try. TUTORIAL.md has three hints: chapter ${number}, "Your turn".
  Later   npm run practice continues. With a number it starts a new practice, and keeps this one.
  Run it  npm run step practice
  Done?   npm run diff practice ${number} compares it with ours.
`);
}

/** Its files import the rest of the step, which is now beside them. */
async function copyStart(start: string, step: string): Promise<void> {
  for (const file of await readdir(start)) {
    const code = await readFile(join(start, file), 'utf8');
    await writeFile(join(stepFolder(practice), file), code.replaceAll(`#steps/${step}/`, './'));
  }
}

/** The reader's work is never overwritten: an earlier practice is renamed, to practice-1 for example. */
async function keepEarlier(): Promise<void> {
  if (!existsSync(stepFolder(practice))) return;
  let number = 1;
  while (existsSync(stepFolder(`${practice}-${number}`))) number++;
  const name = `${practice}-${number}`;
  await rename(stepFolder(practice), stepFolder(name));
  const databases = join(root, 'database');
  for (const file of await readdir(databases)) {
    if (!file.startsWith(`${practice}.`)) continue;
    await rename(join(databases, file), join(databases, file.replace(practice, name)));
  }
  console.log(`Your earlier practice is now in steps/${name}.`);
}

function isCode(path: string): boolean {
  return /(\.[jt]s|\btsconfig\.json)$/.test(path) && !isTest(path);
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

/** Runs vitest, which watches in a terminal. It stops at the first test that fails. */
async function runTests(options: string[]): Promise<void> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, '--root', root, `steps/${practice}/`, '--hideSkippedTests', ...options];
  const isGiven = (name: string) => options.some((option) => option.startsWith(name));
  if (!isGiven('--bail')) args.push('--bail=1');
  if (!isGiven('--reporter')) args.push(`--reporter=${join(root, 'tools/practice-reporter.ts')}`);
  // vitest and a server that is killed leave files behind. They are in this folder, and go with it.
  const { path, remove } = await makeTemporaryFolder('practice-');
  await chmod(path, 0o711); // PostgreSQL runs as another user if you are root
  const env = { TMPDIR: path, TEMP: path, TMP: path };
  // A store that gets no knex opens a file in the working directory.
  process.exitCode = await runInTerminal(args, { cwd: stepFolder(practice), env });
  await remove();
  if (process.stdin.isTTY || isGiven('--watch')) return;
  console.log(
    'Without a terminal, the tests run once. Type npm run practice again, or npm run practice -- --watch.',
  );
}
