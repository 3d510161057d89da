import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { copyProject } from './copy.ts';
import { temporaryFolder } from './temporary.ts';

/** The tests of a step that the code of the step before does not pass, in the order of their building. */
const toDo: Record<string, string[]> = {
  '02-pruned-memory': [
    'deletes expired sessions within the hour, without being asked for them',
    'never holds more than 10,000 sessions: the one unused for the longest time goes',
  ],
  '03-knex-sqlite': [
    'still knows who you are when the server restarts',
    'deletes expired rows within the hour, and keeps the others',
    'lies in the table and under the id that the options name',
    'lies in the database that server.ts opens',
    "holds the user's name and password hash, which nobody needs there",
  ],
  '04-minimal-payload': [
    "stores the user's id and the cookie's attributes, and nothing else",
    'knows at the next request that its user was renamed',
    'knows at the next request that its user was deleted',
    'never passes to another user: ids are not given out twice',
  ],
  '05-durable': [
    'makes no method of the store reject: nobody would look, and Node would end the process',
    'that does not answer at all: it is waited for two seconds, and no longer',
    'a read whose expiry could not be moved on is answered all the same',
    'a row that is not JSON is no session: its user logs in again',
    'a row that is not an object is no session: its user logs in again',
    'a row that is without a cookie is no session: its user logs in again',
    'a row that is with a cookie that is none is no session: its user logs in again',
    'between two steps of a minute, a request is two SELECTs: the session, and the user',
    'so a session ends up to a minute early, and never late',
    'a login writes once: what express-session saves a second time is already there',
    'tells when a touched session really ends',
    'lets a session whose cookie has no date live on with its user',
    'brings nothing back by a save in flight: logout wins',
    'brings nothing back by a save in flight: expiry wins',
    'writes nothing for a request that changes nothing',
    'takes what is no session for none, without an error',
    'tells of a failing get by the callback, once, and in no other way',
    'tells of a failing set by the callback, once, and in no other way',
    'tells of a failing destroy by the callback, once, and in no other way',
    'tells of a failing all by the callback, once, and in no other way',
    'tells of a failing length by the callback, once, and in no other way',
    'tells of a failing clear by the callback, once, and in no other way',
    'calls back once for a failing touch, and leaves it at that',
    'deletes expired rows within the hour, and keeps the others',
  ],
};

// Each runs all tests of a step in a process of its own, and waits for those that hang.
describe('npm run practice', { timeout: 120_000 }, () => {
  test.each(Object.keys(toDo))(
    '%s: says what to do, test by test, in the order in which you build it',
    async (step) => {
      const folder = await project();
      const { printed, failed } = await practise(folder, step.slice(0, 2));
      expect(printed).toContain(`and the tests of ${step}.`);
      expect(failed.map(({ title }) => title)).toEqual(toDo[step]);
      const number = Number(step.slice(0, 2));
      const [first] = failed;
      expect(first?.message, 'a sentence, and where to read on').toMatch(
        new RegExp(`^AssertionError: .+\\b[Cc]hapter ${number}, The code: `),
      );
    },
  );

  test('keeps what you wrote before under another name, and compares what you write', async () => {
    const folder = await project();
    await writeAttempt(folder, 'practice-1', 'the first attempt');
    await writeAttempt(folder, 'practice', 'the second attempt');
    const { printed } = await practise(folder, '3', '--testNamePattern=none');
    expect(printed).toContain('Your earlier practice is now in steps/practice-2.\n');
    expect(await readAttempt(folder, 'practice-1')).toEqual(Array(2).fill('the first attempt'));
    expect(await readAttempt(folder, 'practice-2')).toEqual(Array(2).fill('the second attempt'));

    const ours = await node(folder, 'diff', '2', '3');
    const { stdout } = await node(folder, 'diff', 'practice', '3');
    expect(stdout.replaceAll('steps/practice/', 'steps/02-pruned-memory/')).toBe(ours.stdout);
  });

  test('says what to type when there is nothing to practise', async () => {
    const folder = await project();
    const none = await node(folder, 'practice');
    expect(none.stderr).toMatch(/^There is no practice yet\. [^\n]*: npm run practice 3\.\n$/);
    const first = await node(folder, 'practice', '1');
    expect(first.stderr).toMatch(/^The tutorial begins with 01-in-memory: [^\n]+\n$/);
  });
});

function filesOf(folder: string, name: string): string[] {
  return [join(folder, 'steps', name, 'app.ts'), join(folder, 'database', `${name}.sqlite3`)];
}

async function writeAttempt(folder: string, name: string, content: string): Promise<void> {
  await mkdir(join(folder, 'steps', name));
  for (const file of filesOf(folder, name)) await writeFile(file, content);
}

function readAttempt(folder: string, name: string): Promise<string[]> {
  return Promise.all(filesOf(folder, name).map((file) => readFile(file, 'utf8')));
}

async function project(): Promise<string> {
  const folder = await temporaryFolder();
  await copyProject(folder);
  return folder;
}

/** Types npm run practice, and has all tests run to the end. */
async function practise(folder: string, step: string, ...more: string[]) {
  const report = join(folder, 'report.json');
  const options = ['--bail=0', '--reporter=json', `--outputFile=${report}`];
  const { stdout } = await node(folder, 'practice', step, ...options, ...more);
  const { testResults } = JSON.parse(await readFile(report, 'utf8'));
  const results: { title: string; status: string; failureMessages: string[] }[] =
    testResults[0].assertionResults;
  const failed = results.filter(({ status }) => status === 'failed');
  return {
    printed: stdout,
    failed: failed.map(({ title, failureMessages: [message] }) => ({ title, message })),
  };
}

/** Runs what `npm run <command>` runs. */
function node(folder: string, command: string, ...words: string[]) {
  const args = ['--import', 'tsx', `tools/${command}.ts`, ...words];
  const env = {
    ...process.env,
    VITEST: undefined,
    VITEST_WORKER_ID: undefined,
    NODE_ENV: undefined,
  };
  return new Promise<{ stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: folder, env }, (_error, stdout, stderr) => {
      resolve({ stdout, stderr });
    });
  });
}
