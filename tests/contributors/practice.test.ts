import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readStep } from '#steps/shared/step.ts';
import { numberOf, root, stepFolder, stepNames } from '#tools/steps.ts';
import { ProjectCopy } from './project-copy.ts';

const project = new ProjectCopy();
const text = await readFile(join(root, 'TUTORIAL.md'), 'utf8');
const headings = [...text.matchAll(/^#{3,4} (.+)$/gm)].map(([, heading]) => heading);
const toPractise = stepNames.filter((step) => readStep(stepFolder(step)).firstMove);

// Each runs all tests of a step in a process of its own.
describe('npm run practice', { timeout: 240_000 }, () => {
  test.each(toPractise)(
    '%s: the code of the step before fails, and each failing test says what to do',
    async (step) => {
      const { printed, failed } = await practise(String(numberOf(step)));
      expect(printed).toContain(`and the tests of ${step}.`);
      expect(failed[0], 'the first failing test: a sentence, and where to read on').toMatch(
        new RegExp(`^(AssertionError: )?.+\\b[Cc]hapter ${numberOf(step)}, (The code|"[^"]+")`),
      );
      const parts = [...failed.join('\n').matchAll(/\b[Cc]hapter \d+, "([^"]+)"/g)];
      for (const [named, part] of parts) expect(headings, named).toContain(part);
      expect(failed.filter((message) => /timed out/.test(message))).toEqual([]);

      // Without a folder practice, the tests may ask for what is not yet written.
      const { stdout } = await project.shell('node_modules/.bin/tsc --noEmit -p steps/practice');
      const isWritten = existsSync(join(stepFolder(step), 'practice'));
      const errors = stdout.match(/^\S.*error TS.*$/gm) ?? [];
      expect(errors.filter((error) => isWritten || !error.includes('app.test.ts'))).toEqual([]);
    },
  );

  test('keeps what you wrote before under another name, and compares what you write', async () => {
    await project.shell('rm -rf steps/practice*');
    await writeAttempt('practice-1', 'the first attempt');
    await writeAttempt('practice', 'the second attempt');
    const { printed } = await practise('3', '--testNamePattern=none');
    expect(printed).toContain('Your earlier practice is now in steps/practice-2.\n');
    expect(await readAttempt('practice-1')).toEqual(Array(2).fill('the first attempt'));
    expect(await readAttempt('practice-2')).toEqual(Array(2).fill('the second attempt'));

    const ours = await project.run('diff', '2', '3');
    const { stdout } = await project.run('diff', 'practice', '3');
    expect(stdout.replaceAll('steps/practice/', 'steps/02-pruned-memory/')).toBe(ours.stdout);
  });

  test('says what to type when there is nothing to practise', async () => {
    await project.shell('rm -rf steps/practice*');
    const none = await project.run('practice');
    expect(none.stderr).toMatch(/^There is no practice yet\. [^\n]*: npm run practice 3\.\n$/);
    const first = await project.run('practice', '1');
    expect(first.stderr).toMatch(/^The tutorial begins with 01-in-memory, [^\n]+\n$/);
  });
});

/** Types npm run practice, and has all tests run to the end. */
async function practise(step: string, ...more: string[]) {
  const report = join(project.folder, 'report.json');
  const options = ['--bail=0', '--reporter=json', `--outputFile=${report}`];
  const { stdout } = await project.run('practice', step, ...options, ...more);
  const { testResults } = JSON.parse(await readFile(report, 'utf8'));
  const [{ message, assertionResults }] = testResults;
  const failed: string[] = assertionResults.flatMap(
    ({ failureMessages }: { failureMessages: string[] }) => failureMessages.slice(0, 1),
  );
  // While a file is missing that all tests need, the message says which.
  return { printed: stdout, failed: message ? [message] : failed };
}

function filesOf(name: string): string[] {
  return [`steps/${name}/app.ts`, `database/${name}.sqlite3`].map((file) =>
    join(project.folder, file),
  );
}

async function writeAttempt(name: string, content: string): Promise<void> {
  await mkdir(join(project.folder, 'steps', name));
  for (const file of filesOf(name)) await writeFile(file, content);
}

function readAttempt(name: string): Promise<string[]> {
  return Promise.all(filesOf(name).map((file) => readFile(file, 'utf8')));
}
