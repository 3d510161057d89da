import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileOf } from '#database/open.ts';
import { createApp as createStep01 } from '#steps/01-in-memory/app.ts';
import { createApp as createStep03 } from '#steps/03-knex-sqlite/app.ts';
import { createApp as createStep04 } from '#steps/04-minimal-payload/app.ts';
import { runScript } from '#tools/processes.ts';
import { findStep, stepNames } from '#tools/steps.ts';
import { loggedIn } from '../login.ts';
import type { CreateApp } from '../running-step.ts';
import { temporaryFolder } from '../temporary.ts';

describe('a command that is given a step', () => {
  test.each(['3', '03', '03-knex-sqlite'])('knows step 03 by the name %s', (name) => {
    expect(findStep(name)).toBe('03-knex-sqlite');
  });

  test.each([undefined, '', '0', '03-knex', '../steps'])('knows no step %s', (name) => {
    expect(() => findStep(name)).toThrow(/ Give a number from 1 to \d, or a name: 01-in-memory, /);
  });
});

const list = `Give a number from 1 to ${stepNames.length}, or a name: ${stepNames.join(', ')}.`;
const oneStep = 'Give one step: npm run step 3, or npm run step 3 -- --watch.';
const bench = 'Type npm run bench, or npm run bench -- --rounds 20 for more rounds.';

test.each([
  ['step', [], `Which step? ${list}`],
  ['step', ['99'], `There is no step "99". ${list}`],
  ['step', ['3', '4'], oneStep],
  ['step', ['3', '--wtch'], `There is no option --wtch. ${oneStep}`],
  ['test', ['99'], `There is no step "99". ${list}`],
  ['sessions', [], `Which step? ${list}`],
  ['sessions', ['three'], `There is no step "three". ${list}`],
  ['sessions', ['3', '4'], 'Give one step: npm run sessions 3.'],
  ['diff', ['2'], 'Give two steps: npm run diff 2 3.'],
  ['diff', ['2', '99'], `There is no step "99". ${list}`],
  ['diff', ['2', '02'], 'These are the same step. Give two steps: npm run diff 2 3.'],
  ['compare', ['99'], `There is no step "99". ${list}`],
  [
    'compare',
    ['-v'],
    'There is no option -v. Type npm run compare, or give steps: npm run compare 3 4.',
  ],
  ['bench', ['3'], bench],
  ['bench', ['--rounds', 'many'], bench],
  ['contract', ['3'], 'Type npm run contract, without anything else: it tries all stores.'],
  ['docs', ['99'], 'Type npm run docs, npm run docs -- --check, or npm run docs -- 3.'],
  ['migrate', ['9'], 'Type npm run migrate, without anything else.'],
  ['practice', ['99'], `There is no step "99". ${list}`],
  ['move', [], 'Give one step or file to move from: npm run move 8, or npm run move file:PATH.'],
])('npm run %s %j says in one line what to type', async (command, words, message) => {
  const { code, stdout, stderr } = await run(command, words);
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: `${message}\n` });
});

describe('npm test', { timeout: 60_000 }, () => {
  test('says which words it understands', async () => {
    const { code, stdout, stderr } = await run('test', ['nothing']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^No test file has "nothing" in its path\. [^\n]+\n$/);
  });

  test('names the tests of one file', async () => {
    const { stdout } = await run('test', ['tests/shared/user-data']);
    expect(stdout).toMatch(/^ {3}✓ .+\n {3}✓ /m);
  });

  test('prints a line for each of several files, and why tests were skipped', async () => {
    const { stdout } = await run('test', ['tests/stores', 'tests/shared/user-data']);
    expect(stdout.match(/^.*✓ .*$/gm)).toEqual([
      expect.stringMatching(/^ ✓ tests\/shared\/user-data\.test\.ts \(\d+ tests\)/),
      expect.stringMatching(/^ ✓ tests\/stores\.test\.ts \(\d+ tests \| \d+ skipped\)/),
    ]);
    expect(stdout).toMatch(
      /^ {2}\d+ skipped in tests\/stores\.test\.ts: these stores have no storage that could fail\.$/m,
    );
  });

  test('with the name of a test, shows no other', async () => {
    const { stdout } = await run('test', ['tests/shared/user-data', '-t', 'user id']);
    expect(stdout).not.toMatch(/↓| skipped in /);
  });
});

describe('npm run diff', () => {
  test('2 3 shows the lesson of step 3, without its tests', async () => {
    const { code, stdout } = await run('diff', ['2', '3']);
    expect(code).toBe(0);
    const added = stdout.split('\n').filter((line) => /^\+(?!\+\+)/.test(line));
    expect(added.join('\n')).toMatch(/connect-session-knex.*tableName.*createTable/s);
    expect(stdout).not.toContain('.test.ts');
  });
});

describe('npm run sessions', () => {
  test('shows the rows of a step, and marks what should not be in them', async () => {
    const { stdout, sessionId } = await sessionsOf('03-knex-sqlite', createStep03);
    expect(stdout).toMatch(/^1 session in .*\.sqlite3\n/);
    expect(stdout).toContain(`sid      ${sessionId}\n`);
    expect(stdout).toMatch(/"username": "ada", {2}<-- the user name does not belong here\n/);
    expect(stdout).toMatch(/"password_hash": "\$2b\$.*" {2}<-- the password hash does not belong/);
  });

  test('has nothing to mark in step 04', async () => {
    const { stdout } = await sessionsOf('04-minimal-payload', createStep04);
    expect(stdout).toContain('"userId":');
    expect(stdout).not.toContain('<--');
  });

  test('marks a row that holds no session', async () => {
    const { server } = await loggedIn(createStep03);
    await server.knex('sessions').update({ sess: '{"cookie":' });
    const DATABASE_URL = `file:${server.databaseFile}`;
    const { stdout } = await run('sessions', ['3'], { DATABASE_URL });
    expect(stdout).toContain('{"cookie":  <-- this is not JSON\n');
  });

  test('says of a step in memory that only its process can read it', async () => {
    const { stderr } = await sessionsOf('01-in-memory', createStep01);
    expect(stderr).toMatch(/^01-in-memory keeps its sessions in memory, [^\n]+\n$/);
  });

  test('says what to do when there is no database yet, and makes none', async () => {
    const DATABASE_URL = `file:${join(await temporaryFolder(), 'none.sqlite3')}`;
    const { code, stderr } = await run('sessions', ['3'], { DATABASE_URL });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^03-knex-sqlite has no database yet\. .*npm run step 3.*\n$/);
    expect(existsSync(fileOf(DATABASE_URL))).toBe(false);
  });

  async function sessionsOf(step: string, createApp: CreateApp) {
    const { server, browser } = await loggedIn(createApp);
    const DATABASE_URL = `file:${server.databaseFile}`;
    return { ...(await run('sessions', [step], { DATABASE_URL })), sessionId: browser.sessionId };
  }
});

/** Runs what `npm run <command>` runs. */
function run(command: string, args: string[], env: Record<string, string> = {}) {
  return runScript(`tools/${command}.ts`, args, { env: { NO_COLOR: '1', ...env } });
}
