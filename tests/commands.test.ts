import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileOf } from '#database/open.ts';
import { createApp as createStep01 } from '#steps/01-in-memory/app.ts';
import { createApp as createStep03 } from '#steps/03-knex-sqlite/app.ts';
import { createApp as createStep04 } from '#steps/04-minimal-payload/app.ts';
import { findStep, root, steps } from '#tools/steps.ts';
import { loggedIn } from './login.ts';
import type { CreateApp } from './running-step.ts';
import { step05 } from './step05.ts';
import { temporaryFolder } from './temporary.ts';

describe('npm run step', () => {
  test('lists the steps that exist when it is given another', async () => {
    const { code, stdout, stderr } = await run('step', ['9']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const list = steps.join(', ');
    expect(stderr).toBe(`There is no step "9". There are ${list}; give a number or a name.\n`);
  });

  test.each(['3', '03', '03-knex-sqlite'])('knows step 03 by the name %s', (name) => {
    expect(findStep(name)).toBe('03-knex-sqlite');
  });

  test.each([undefined, '', '0', '03-knex', '../steps'])('knows no step %s', (name) => {
    expect(() => findStep(name)).toThrow(/ There are 01-in-memory, /);
  });

  test('on a Node that is too old says which one is needed, in one line', async () => {
    const { engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    const pretend = (version: string) =>
      `Object.defineProperty(process, "versions", { value: { node: "${version}" } });
       require("./tools/check-node.cjs")`;
    const old = await node(['-e', pretend('18.20.8')]);
    expect(old).toMatchObject({ code: 1, stdout: '' });
    expect(old.stderr).toMatch(
      /^This tutorial needs Node 20\.19 or newer, .* 18\.20\.8\. [^\n]+\n$/,
    );
    expect(engines.node).toBe('>=20.19');
    for (const version of ['20.19.0', '22.0.0', '26.1.0']) {
      expect(await node(['-e', pretend(version)])).toEqual({ code: 0, stdout: '', stderr: '' });
    }
    expect(await node(['-e', pretend('20.18.3')])).toMatchObject({ code: 1 });
  });
});

describe('npm run diff', () => {
  test.each([
    ['1', '2', ['memorystore', 'checkPeriod', 'max:', 'session({ store']],
    ['2', '3', ['connect-session-knex', 'tableName', 'sidFieldName', 'createTable', 'knex']],
    ['3', '4', ['userId: number', 'userId = user.id', 'findById(req.session.userId)']],
  ])('%s %s shows the lesson, on one screen', async (before, after, lesson) => {
    const { code, stdout } = await run('diff', [before, after]);
    expect(code).toBe(0);
    const added = stdout.split('\n').filter((line) => /^\+(?!\+\+)/.test(line));
    for (const words of lesson) expect(added.join('\n')).toContain(words);
    expect(added.length, 'lines that are new').toBeLessThanOrEqual(15);
    expect(stdout.split('\n').length, 'lines in all').toBeLessThanOrEqual(50);
    expect(stdout, 'the tests are no part of it').not.toContain('.test.ts');
  });

  test('4 5 shows what is new in files of its own, and little else', async () => {
    const { stdout } = await run('diff', ['4', '5']);
    const [app = '', ...files] = stdout.split(/^--- /m).slice(1);
    expect(app).toContain('+  app.use(inspect, answerUnavailable, answerErrors);');
    expect(app.split('\n').filter((line) => line.startsWith('+')).length).toBeLessThanOrEqual(8);
    const names = files.map((diff) => /^\+\+\+ steps\/05-durable\/(.*)/m.exec(diff)?.[1]);
    expect(names).toEqual([
      'server.ts',
      'answer.ts',
      'create-sessions.ts',
      'database.ts',
      'payload.ts',
      'pruning.ts',
      'store.ts',
      'unavailable.ts',
    ]);
  });

  test('asks for two steps', async () => {
    expect((await run('diff', ['2'])).stderr).toBe('Give two steps: npm run diff 2 3.\n');
    expect((await run('diff', ['2', '02'])).stderr).toMatch(/^These are the same step\. .*\n$/);
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
    const { server } = await loggedIn(step05);
    await server.knex('sessions').update({ sess: '{"cookie":' });
    const { stdout } = await run('sessions', ['5'], {
      DATABASE_URL: `file:${server.databaseFile}`,
    });
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

interface Printed {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs what `npm run <command>` runs. */
function run(command: string, args: string[], variables?: NodeJS.ProcessEnv): Promise<Printed> {
  return node(['--import', 'tsx/esm', `tools/${command}.ts`, ...args], variables);
}

function node(args: string[], variables: NodeJS.ProcessEnv = {}): Promise<Printed> {
  const env = { ...process.env, ...variables };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}
