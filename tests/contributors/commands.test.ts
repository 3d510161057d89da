import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileOf } from '#database/open.ts';
import { createApp as createStep01 } from '#steps/01-in-memory/app.ts';
import { createApp as createStep03 } from '#steps/03-knex-sqlite/app.ts';
import { createApp as createStep04 } from '#steps/04-minimal-payload/app.ts';
import { stores as benchedStores } from '#tools/bench/stores.ts';
import { packages } from '#tools/contract/adapters.ts';
import { runScript } from '#tools/processes.ts';
import { findStep, stepNames } from '#tools/steps.ts';
import { type CreateApp, start } from '../step.ts';
import { temporaryFolder } from '../temporary.ts';

describe('a command that is given a step', () => {
  test.each(['3', '03', '03-knex-sqlite'])('knows step 03 by the name %s', (name) => {
    expect(findStep(name)).toBe('03-knex-sqlite');
  });

  test.each([undefined, '', '0', '03-knex', '../steps'])('knows no step %s', (name) => {
    expect(() => findStep(name)).toThrow(/ Give a number from 1 to \d+, or a name: 01-in-memory, /);
  });
});

const list = `Give a number from 1 to ${stepNames.length}, or a name: ${stepNames.join(', ')}.`;
const oneStep = 'Give one step: npm run step 3, or npm run step 3 -- --watch.';
const stores = Object.keys(packages).join(', ');
const contract =
  'Type npm run contract, npm run contract connect-redis, or npm run contract ./my-store.ts.';
const bench =
  'Type npm run bench, npm run bench stores, or npm run bench -- --rounds 20 for more rounds.';
const benched = Object.keys(benchedStores).join(', ');

test.each([
  ['step', [], `Which step? ${list}`],
  ['step', ['99'], `There is no step "99". ${list}`],
  ['step', ['3', '4'], oneStep],
  ['step', ['3', '--wtch'], `There is no option --wtch. ${oneStep}`],
  ['sessions', ['3', '4'], 'Give one step: npm run sessions 3.'],
  ['diff', ['2'], 'Give two steps: npm run diff 2 3.'],
  ['diff', ['2', '02'], 'These are the same step. Give two steps: npm run diff 2 3.'],
  [
    'compare',
    ['-v'],
    'There is no option -v. Type npm run compare, or give steps: npm run compare 3 4.',
  ],
  ['bench', ['3'], bench],
  ['bench', ['--rounds', 'many'], bench],
  ['bench', ['stores', '--rounds', '0'], bench],
  ['bench', ['stores', '--sessions', 'many'], bench],
  ['bench', ['stores', '99'], `There is no step "99". ${list}`],
  ['bench', ['stores', '3'], `There is no store 3. Give one of ${benched}.`],
  ['bench', ['stores', 'redis'], `There is no store redis. Give one of ${benched}.`],
  [
    'capacity',
    ['--sessions', 'many'],
    'Type npm run capacity, or npm run capacity -- --sessions 10000000 --seconds 5.',
  ],
  [
    'contract',
    ['redis'],
    `There is no store redis. Give a file, as in ./my-store.ts, or one of ${stores}.`,
  ],
  [
    'contract',
    ['./none.ts'],
    `There is no store ./none.ts. Give a file, as in ./my-store.ts, or one of ${stores}.`,
  ],
  ['contract', ['--limit'], `There is no option --limit. ${contract}`],
  ['docs', ['99'], `There is no step "99". ${list}`],
  ['migrate', ['9'], 'Type npm run migrate, without anything else.'],
  ['move', [], 'Give one step or file to move from: npm run move 9, or npm run move file:PATH.'],
])('npm run %s %j says in one line what to type', async (command, words, message) => {
  const { code, stdout, stderr } = await run(command, words);
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: `${message}\n` });
});

test('npm run capacity measures SQLite and PostgreSQL', async () => {
  const { stdout } = await run('capacity', ['--sessions', '1000', '--seconds', '1']);
  const [, , ...rows] = stdout.split('\n').map((line) => line.split(/ *\| */).slice(1, -1));
  const measured = [...Array(6).fill(expect.stringMatching(/^[\d,]*[1-9][\d,]*$/))];
  expect(rows.filter((row) => row.length > 0)).toEqual([
    ['SQLite', '1,000', ...measured],
    ['PostgreSQL', '1,000', ...measured],
  ]);
});

test('npm run bench stores compares stores with MemoryStore, and draws the ratios', async () => {
  const chart = join(await temporaryFolder(), 'chart.svg');
  const options = ['--rounds', '1', '--sessions', '1', '--chart', chart];
  const { code, stdout } = await run('bench', ['stores', '7', ...options]);
  const [, , ...rows] = stdout.split('\n').map((line) => line.split(/ *\| */).slice(1, -1));
  const rate = expect.stringMatching(/^[1-9]\d*$/);
  const ratio = expect.stringMatching(/^\d+\.\d\d \(\d+\.\d\d–\d+\.\d\d\)$/);
  const [same, number] = ['1.00 (1.00–1.00)', expect.stringMatching(/^\d+$/)];
  expect(code).toBe(0);
  expect(rows.filter((row) => row.length > 0)).toEqual([
    ['MemoryStore', 'memory', rate, same, rate, same, '-', number, '-', '-'],
    ['07-cheap-reads', 'SQLite', rate, ratio, rate, ratio, '0', number, number, number],
  ]);
  expect(await readFile(chart, 'utf8')).toMatch(/^<svg .*07-cheap-reads, SQLite</s);
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
    expect(stdout).toMatch(/"username": "demo", {2}<-- the user name does not belong here\n/);
    expect(stdout).toMatch(/"password_hash": "\$2b\$.*" {2}<-- the password hash does not belong/);
  });

  test('has nothing to mark in step 04', async () => {
    const { stdout } = await sessionsOf('04-minimal-payload', createStep04);
    expect(stdout).toContain('"userId":');
    expect(stdout).not.toContain('<--');
  });

  test('marks a row that holds no session', async () => {
    const { parts, browser, file } = await start(createStep03);
    await browser.logIn();
    await parts.knex('sessions').update({ sess: '{"cookie":' });
    const DATABASE_URL = `file:${file}`;
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
    const { browser, file } = await start(createApp);
    await browser.logIn();
    const DATABASE_URL = `file:${file}`;
    return { ...(await run('sessions', [step], { DATABASE_URL })), sessionId: browser.sessionId };
  }
});

/** Runs what `npm run <command>` runs. */
function run(command: string, args: string[], env: Record<string, string> = {}) {
  return runScript(`tools/${command}.ts`, args, { env: { NO_COLOR: '1', ...env } });
}
