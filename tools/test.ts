import { readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { findChromium, howToGetOne } from './chromium.ts';
import { command, UsageError } from './command.ts';
import { runInTerminal } from './processes.ts';
import { findStep, practice, root } from './steps.ts';

const contributors = 'tests/contributors/';

// npm test: all tests of what the product does. npm test 03: the tests of one step. Options and paths are
// passed to vitest. npm run test:contributors: the tests for people who change the tutorial.
await command(async () => {
  const words = process.argv.slice(2);
  const isContributor = words[0] === '--contributors';
  if (isContributor) words.shift();
  const first = words[0]?.startsWith('-') ? undefined : words.shift();
  // To contributors, practice is the test of the command, not the reader's folder.
  const isCommand = isContributor && first === practice;
  const filter = first && (isCommand ? contributors + first : filterOf(first));
  const scope = isContributor ? [contributors] : ['--exclude', `${contributors}**`];
  process.exitCode = await runInTerminal([
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    ...(first === practice ? [] : ['--exclude', 'steps/practice*/**']),
    ...(isContributor && filter ? [] : scope),
    ...(filter ? [filter] : []),
    ...words,
  ]);
  if (!filter && !isContributor) sayWhatWasNotRun();
});

/** @returns the filter by which vitest finds test files: a step's folder, or the word itself. */
function filterOf(word: string): string {
  if (word === practice || /^\d+(-[\w-]*)?$/.test(word)) return `steps/${findStep(word)}/`;
  const files = ['steps', 'tests'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file))),
  );
  const path = relative(root, resolve(word)); // ./tests/serve.test.ts works as well
  const matches = (file: string) => file.includes(word) || file === path;
  if (files.filter((file) => file.endsWith('.test.ts')).some(matches)) return word;
  throw new UsageError(
    `No test file has "${word}" in its path. Give a step or a part of a path: npm test 03, npm test serve.`,
  );
}

function sayWhatWasNotRun(): void {
  if (!findChromium()) console.log(`Not run: the tests of the pages in a browser. ${howToGetOne}`);
  console.log(
    'Not run: the checks for contributors, which test the text, the lab, the practice and the tests themselves. ' +
      'CONTRIBUTING.md lists them.',
  );
}
