import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command, UsageError } from './command.ts';
import { findStep, practice, root, stepFolder, steps } from './steps.ts';

/** What to do first, for each step that one can practise. */
const firstMove: Record<string, string> = {
  '02-pruned-memory':
    'In app.ts, give session() a store that deletes expired sessions. Call what memorystore exports with session: that makes its class.',
  '03-knex-sqlite':
    'Let createApp in app.ts take knex, and server.ts pass it. Then give session() a store that writes to it.',
  '04-minimal-payload':
    'In app.ts, let the login store the id of the user, and nothing else of the user.',
  '05-durable': 'In store.ts, let no method reject: begin with get.',
};

// npm run practice 3: write step 3 yourself, starting from step 2. Without a number: go on with it.
// Options go to vitest: npm run practice -- --bail=0 runs all tests, also those after a failing one.
await command(async () => {
  const words = process.argv.slice(2);
  const options = words.filter((word) => word.startsWith('-'));
  const [step, ...more] = words.filter((word) => !word.startsWith('-'));
  if (more.length > 0) throw new UsageError('Give one step: npm run practice 3.');
  const folder = findStep(step ?? practice); // to go on with a practice, there must be one
  if (folder !== practice) await begin(folder);
  await runTests(options);
});

/** Fills the reader's folder with the code of the step before and the tests of the step itself. */
async function begin(step: string): Promise<void> {
  const before = steps[steps.indexOf(step) - 1];
  if (!before) {
    throw new UsageError(
      `The tutorial begins with ${step}: there is nothing to write it from. Practise step 2: npm run practice 2.`,
    );
  }
  await keepEarlier();
  const folder = stepFolder(practice);
  await mkdir(folder);
  // Where a step brings more than one thing to write, all but the lesson is given: it has a folder
  // practice, with what to begin with.
  const start = join(stepFolder(step), practice);
  if (existsSync(start)) {
    await copyFiles(stepFolder(step), folder, isCode);
    await copyFiles(start, folder, isCode);
  } else await copyFiles(stepFolder(before), folder, isCode);
  await copyFiles(stepFolder(step), folder, isTest);
  // The project's own settings leave this folder out: unfinished code is no fault of the project.
  const settings = { extends: '../../tsconfig.json', include: ['.'], exclude: [] };
  await writeFile(join(folder, 'tsconfig.json'), `${JSON.stringify(settings, null, 2)}\n`);
  const number = Number(step.slice(0, 2));
  console.log(`
steps/practice holds the code of ${existsSync(start) ? `${step} without its lesson,` : before} and the tests of ${step}.

  First   ${firstMove[step] ?? 'Read what the first failing test says.'}
          The tests run again whenever you save a file in steps/practice.
  Stuck?  The first failing test says what to try. TUTORIAL.md has three hints: chapter ${number}, "Your turn".
  Later   npm run practice goes on with it. With a number it begins anew, and keeps this one.
  Run it  npm run step practice
  Done?   npm run diff practice ${number} compares it with ours.
`);
}

/** Nothing of the reader's is ever overwritten: an earlier practice gets a number of its own. */
async function keepEarlier(): Promise<void> {
  if (!existsSync(stepFolder(practice))) return;
  let number = 1;
  while (existsSync(stepFolder(`${practice}-${number}`))) number++;
  const name = `${practice}-${number}`;
  await rename(stepFolder(practice), stepFolder(name));
  const databases = join(root, 'database');
  for (const file of await readdir(databases)) {
    if (!file.startsWith(`${practice}.sqlite3`)) continue;
    await rename(join(databases, file), join(databases, file.replace(practice, name)));
  }
  console.log(`Your earlier practice is now in steps/${name}.`);
}

async function copyFiles(
  from: string,
  to: string,
  wanted: (name: string) => boolean,
): Promise<void> {
  for (const name of await readdir(from)) {
    if (wanted(name)) await cp(join(from, name), join(to, name));
  }
}

function isCode(name: string): boolean {
  return name.endsWith('.ts') && !isTest(name);
}

function isTest(name: string): boolean {
  return name.endsWith('.test.ts');
}

/** Runs vitest, which watches when it stands in a terminal. It stops at the first test that fails. */
async function runTests(options: string[]): Promise<void> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, `steps/${practice}/`, '--hideSkippedTests', ...options];
  if (!options.some((option) => option.startsWith('--bail'))) args.push('--bail=1');
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  // A Ctrl-C reaches both processes. This one waits for the other.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 0;
}
