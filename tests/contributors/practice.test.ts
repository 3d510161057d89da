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

  describe('says in a few lines', () => {
    test('what is missing, and on which line of the tutorial to read on', async () => {
      await project.shell('rm -rf steps/practice*');
      const { stdout, code } = await project.run('practice', '2');
      expect(stdout).toContain(
        '    Expired sessions are still there. Give session() a memorystore',
      );
      const [, line] = /^ {4}Read +TUTORIAL\.md:(\d+)$/m.exec(stdout) ?? [];
      expect(text.split('\n').slice(0, Number(line)).join('\n')).toMatch(
        /\n## 2\. (?!.*\n## ).*\n### The code$/s,
      );
      expect(stdout).toMatch(/^20 tests passed, 1 failed, 2 did not run\./m);
      expect(stdout).toMatch(/\nWithout a terminal, the tests run once\.[^\n]+\n$/);
      expect(stdout.split('\n').length).toBeLessThan(25);
      expect(code).toBe(1);
    });

    test('that the step is done, and what to do next', async () => {
      await write('app.ts', (code) => code);
      const { stdout, code } = await project.run('practice');
      expect(stdout).toMatch(/✓ Done: all \d+ tests pass, and the types fit\.\n/);
      for (const next of ['npm run diff practice 2 ', 'npm run practice 3 ', 'TUTORIAL.md:']) {
        expect(stdout).toContain(`    ${next}`);
      }
      expect(code).toBe(0);
    });

    test('that an option has a wrong name, although all tests pass', async () => {
      await write('app.ts', (code) => code.replace('max:', 'maximum: 1, max:'));
      const { stdout, code } = await project.run('practice');
      expect(stdout).toMatch(
        /steps\/practice\/app\.ts:\d+:\d+ {2}.*'maximum' does not exist in type/,
      );
      expect(stdout).not.toContain('Done');
      expect(code).toBe(1);
    });

    test('where a file cannot be read, instead of what the test runner makes of it', async () => {
      await write('app.ts', (code) => code.replace('express();', 'express(;'));
      const { stdout } = await project.run('practice');
      expect(stdout).toMatch(/app\.ts:\d+:\d+ {2}.*expected\.\n/);
      expect(stdout).toContain('No test can run until you have fixed that.');
      expect(stdout).not.toMatch(/node_modules|Transform/);
    });

    test('which request was never answered, instead of a timeout', async () => {
      const forget = (code: string) => code.replace(/res\.json\(\{ username: user.+/, '');
      await write('app.ts', forget);
      const { stdout } = await project.run('practice', '--testTimeout=3000');
      expect(stdout).toContain('    POST /api/login was never answered.');
      expect(stdout).not.toContain('timed out');
    });

    test('which promise nothing handled', async () => {
      const reject = "void Promise.reject(new Error('The disk is full.'));\n  const app =";
      await write('app.ts', (code) => code.replace('const app =', reject));
      const { stdout } = await project.run('practice');
      expect(stdout).toContain(
        'Is an await or a return missing?\n\n    The disk is full. Chapter 2',
      );
      expect(stdout.match(/The disk is full/g), 'once, however often it happened').toHaveLength(1);
    });
  });

  test('leaves no file outside its folder, even when a store has no knex', async () => {
    await project.shell('rm -rf steps/practice*');
    await practise('3', '--testNamePattern=none');
    const files = () => project.shell('find . -path ./node_modules -prune -o -type f -print');
    const { stdout: before } = await files();
    const withoutKnex = (code: string) => code.replace(/^ {4}knex, .*\n/m, '');
    await write('app.ts', withoutKnex, '03-knex-sqlite');
    const { stdout } = await project.run('practice');
    expect(stdout).toContain('No sessions table.');
    const { stdout: after } = await files();
    const added = after.split('\n').filter((file) => !before.split('\n').includes(file));
    expect(added).toEqual(['./steps/practice/connect-session-knex.sqlite']);
  });

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

/** Writes a file of a step into the reader's folder, with a change. */
async function write(file: string, change: (code: string) => string, step = '02-pruned-memory') {
  const code = await readFile(join(stepFolder(step), file), 'utf8');
  await writeFile(join(project.folder, 'steps/practice', file), change(code));
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
