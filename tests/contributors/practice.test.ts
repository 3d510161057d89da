import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { numberOf, stepFolder, stepNames } from '#tools/steps.ts';
import { ProjectCopy } from './project-copy.ts';

const project = new ProjectCopy();
const hintsOf = (step: string) => readFile(join(stepFolder(step), 'hints.md'), 'utf8');

// Each runs the tests of a step in a process of its own.
describe('npm run practice', { timeout: 240_000 }, () => {
  test.each(stepNames.slice(1))('%s: something fails, and it shows a hint', async (step) => {
    const { stdout, code } = await project.run('practice', String(numberOf(step)));
    expect(stdout).toContain(` and the tests of ${step}.`);
    const [, hint = 'no hint'] = /^Hint: (.+)$/m.exec(stdout) ?? [];
    expect(await hintsOf(step)).toContain(hint);
    expect(stdout).toContain(`Read: steps/${step}/README.md\n`);
    expect(code).toBe(1);
  });

  test('the hints name tests that exist', async () => {
    const report = join(project.folder, 'report.json');
    const line = `node_modules/.bin/vitest list --project reader --json=${report}`;
    const { stderr } = await project.shell(line);
    expect(stderr).toBe('');
    const listed: { name: string; file: string }[] = JSON.parse(await readFile(report, 'utf8'));
    for (const step of stepNames.slice(1)) {
      const own = listed.filter(
        ({ file }) => file.endsWith('/login.test.ts') || file.includes(`/${step}/`),
      );
      const names = own.flatMap(({ name }) => name.split(' > '));
      const hinted = [...(await hintsOf(step)).matchAll(/^## (.+)$/gm)].map(([, name]) => name);
      expect(
        hinted.filter((name) => !names.includes(name ?? '')),
        step,
      ).toEqual([]);
    }
  });

  test('shows the hint of the test that fails, and says when the step is done', async () => {
    await project.shell('rm -rf steps/practice*');
    const { stdout } = await project.run('practice', '2');
    expect(stdout).toContain('Hint: Give `session()` a store of memorystore,');
    expect(stdout.match(/Hint:/g)).toHaveLength(1);
    await write('app.ts', (code) => code);
    const done = await project.run('practice');
    expect(done.stdout).toContain('Done. npm run diff practice 2 compares your code with ours.');
    expect(done.code).toBe(0);
  });

  test('says that an option has a wrong name, although all tests pass', async () => {
    await write('app.ts', (code) => code.replace('max:', 'maximum: 1, max:'));
    const { stdout, code } = await project.run('practice');
    expect(stdout).toMatch(/steps\/practice\/app\.ts.*'maximum' does not exist in type/);
    expect(stdout).not.toContain('Done');
    expect(code).toBe(1);
  });

  test('leaves no file outside its folder, even when a store has no knex', async () => {
    await project.shell('rm -rf steps/practice*');
    await project.run('practice', '3');
    const files = () => project.shell('find . -path ./node_modules -prune -o -type f -print');
    const { stdout: before } = await files();
    const withoutKnex = (code: string) => code.replace(/^ {4}knex, .*\n/m, '');
    await write('app.ts', withoutKnex, '03-knex-sqlite');
    await project.run('practice');
    const { stdout: after } = await files();
    const added = after.split('\n').filter((file) => !before.split('\n').includes(file));
    // SQLite leaves its journal behind if the process ends in the middle of a write.
    const databases = added.filter((file) => !file.endsWith('-journal'));
    expect(databases).toEqual(['./steps/practice/connect-session-knex.sqlite']);
  });

  test('keeps what you wrote before under another name, and compares what you write', async () => {
    await project.shell('rm -rf steps/practice*');
    await writeAttempt('practice-1', 'the first attempt');
    await writeAttempt('practice', 'the second attempt');
    const { stdout: printed } = await project.run('practice', '3', '--testNamePattern=none');
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
    expect(existsSync(join(project.folder, 'steps/practice'))).toBe(false);
  });
});

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
