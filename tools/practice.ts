import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readStep } from '#steps/shared/step.ts';
import { command, UsageError } from './command.ts';
import { runInTerminal } from './processes.ts';
import { findStep, practice, root, stepFolder, stepNames } from './steps.ts';

const folder = stepFolder(practice);

// npm run practice 3: write step 3 yourself, starting from step 2. Without a number: continue.
// Options are passed to vitest: npm run practice -- --bail=0 does not stop at a failing test.
await command(async () => {
  const words = process.argv.slice(2);
  const options = words.filter((word) => word.startsWith('-'));
  const [name, ...more] = words.filter((word) => !word.startsWith('-'));
  if (more.length > 0) throw new UsageError('Give one step: npm run practice 3.');
  const step = findStep(name ?? practice); // to continue, there must be one
  if (step !== practice) await begin(step);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = [
    '--reporter=default',
    `--reporter=${join(root, 'tools/practice-reporter.ts')}`,
  ];
  const args = ['--root', root, '--project=practice', '--bail=1', ...reporters, ...options];
  // A store that gets no knex opens a file in the working directory.
  process.exitCode = await runInTerminal([vitest, ...args], {
    cwd: folder,
    env: { STEP: practice },
  });
});

/** Fills the reader's folder with the code of the step before, and the tests and hints of the step itself. */
async function begin(step: string): Promise<void> {
  const before = stepNames[stepNames.indexOf(step) - 1];
  if (!before) {
    throw new UsageError(
      `The tutorial begins with ${step}, so there is no step to start from. Practise step 2: npm run practice 2.`,
    );
  }
  await keepEarlier();
  await mkdir(folder);
  const own = readStep(stepFolder(step));
  await copy(before, (file) => isCode(file));
  // A step that adds more than one would write in an evening gives you the rest.
  await copy(step, (file) => !isCode(file) || own.toWrite?.includes(file) === false);
  await writeJson('step.json', { ...own, title: 'Your own step', practises: step });
  await writeJson('tsconfig.json', { extends: '../../tsconfig.json', include: ['.'], exclude: [] });
  console.log(`
steps/practice holds the code of ${before} and the tests of ${step}. Write ${own.toWrite?.join(', ') ?? step} there.
The first failing test shows a hint. npm run practice continues; with a number it starts anew, and keeps this one.
`);
}

async function copy(step: string, isWanted: (file: string) => boolean): Promise<void> {
  for (const file of (await readdir(stepFolder(step))).filter(isWanted)) {
    await copyFile(join(stepFolder(step), file), join(folder, file));
  }
}

function writeJson(file: string, content: object): Promise<void> {
  return writeFile(join(folder, file), `${JSON.stringify(content, null, 2)}\n`);
}

function isCode(file: string): boolean {
  return /(?<!\.test)\.[jt]s$/.test(file);
}

/** The reader's work is never overwritten: an earlier practice is renamed, to practice-1 for example. */
async function keepEarlier(): Promise<void> {
  if (!existsSync(folder)) return;
  let number = 1;
  while (existsSync(stepFolder(`${practice}-${number}`))) number++;
  const name = `${practice}-${number}`;
  await rename(folder, stepFolder(name));
  const databases = join(root, 'database');
  for (const file of await readdir(databases)) {
    if (!file.startsWith(`${practice}.`)) continue;
    await rename(join(databases, file), join(databases, file.replace(practice, name)));
  }
  console.log(`Your earlier practice is now in steps/${name}.`);
}
