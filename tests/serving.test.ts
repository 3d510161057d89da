import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '#database/open.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { readSettings } from '#steps/shared/settings.ts';
import { type Ended, ServerProcess } from '#tools/server-process.ts';
import { root, steps } from '#tools/steps.ts';
import { ada, Browser } from './browser.ts';
import { temporaryEnvironment } from './temporary.ts';

describe.each(steps)('the real server of %s, in production', (step) => {
  let folder: string;
  let server: ServerProcess;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keep-users-logged-in-'));
    const DATABASE_URL = `file:${join(folder, 'test.sqlite3')}`;
    server = await ServerProcess.start(step, { DATABASE_URL, ...production });
    return async () => {
      await server.end('SIGKILL');
      await rm(folder, { recursive: true });
    };
  });

  test('has neither /inspect nor the demo account, and lets nobody break its database', async () => {
    const browser = new Browser(server.url);
    expect((await browser.get('/inspect')).status).toBe(404);
    expect((await browser.post('/database/break', {})).status).toBe(404);
    expect((await browser.logIn(demo)).status).toBe(401);
  });

  test('prints one line, finishes what is in flight when it is told to stop, and exits with 0', async () => {
    const browser = new Browser(server.url);
    await browser.register(ada);
    // bcrypt takes its time over four logins: they are in flight when the signal comes.
    const answered: number[] = [];
    const logins = Array.from({ length: 4 }, async () => {
      answered.push((await browser.logIn(ada)).status);
    });
    await browser.get('/api/me');
    expect(answered.length, 'answered before the signal').toBeLessThan(4);
    const { stdout, stderr, ...ended } = await server.end('SIGTERM');
    await Promise.all(logins);
    expect(answered).toEqual(Array(4).fill(200));
    expect(ended).toEqual({ code: 0, signal: null });
    expect(stdout).toMatch(
      new RegExp(`^${step} · .+ · http://127\\.0\\.0\\.1:\\d+ · process ${server.processId}\n$`),
    );
    // express-session's own warning of its MemoryStore is the only thing that a server may add.
    expect(stderr).toMatch(step === '01-in-memory' ? /^Warning: connect\.session\(\)/ : /^$/);
  });
});

test('while you learn, a page breaks and mends the database, and no other site can ask for it', async () => {
  const environment = await temporaryEnvironment();
  const browser = new Browser((await start('03-knex-sqlite', environment)).url);
  // What a form of another site can send. For JSON a browser would ask first, and nobody would say yes.
  const form = await browser.post('/database/break').type('form').send('');
  expect(form.status).toBe(404);
  expect((await browser.get('/inspect')).status, 'it is broken').toBe(200);
  expect((await browser.post('/database/break', {})).status).toBe(204);
  expect((await browser.post('/database/mend', {})).status).toBe(204);
  await browser.logIn(demo);
  expect(await browser.whoAmI()).toBe(demo.username);
});

describe('a server that cannot work says so in one line, and exits with 1', () => {
  test.each([
    ['a database in a folder that is missing', { DATABASE_URL: 'file:/no/folder/x.sqlite3' }],
    ['a database that is another kind of file', { DATABASE_URL: 'file:package.json' }],
    ['a host that is another machine', { HOST: '192.0.2.1' }],
    ['production without a secret', { NODE_ENV: 'production', SESSION_SECRET: '' }],
  ])('%s', async (_what, environment) => {
    const database = await temporaryEnvironment();
    expectOneLine(
      await ServerProcess.fail(steps[0] ?? '', { ...database, ...environment }),
      new RegExp(Object.keys(environment).at(-1) ?? ''),
    );
  });

  test('a port in use, whose server goes on', async () => {
    const database = await temporaryEnvironment();
    const first = await start(steps[0] ?? '', database);
    const { port } = new URL(first.url);
    const second = await ServerProcess.fail(steps[0] ?? '', { ...database, PORT: port });
    expectOneLine(second, new RegExp(`^Port ${port} is in use\\. .*PORT=`));
    expect((await new Browser(first.url).get('/inspect')).status).toBe(200);
  });
});

describe('the environment', () => {
  test('has a default for everything while you learn', () => {
    expect(readSettings('03-knex-sqlite', { PORT: '', HOST: '' })).toEqual({
      port: 3000,
      host: '127.0.0.1',
      databaseUrl: `file:${join(root, 'database/03-knex-sqlite.sqlite3')}`,
      secret: expect.stringContaining('development'),
      production: false,
    });
  });

  test('wins over the defaults', () => {
    const given = { PORT: '0', HOST: '::1', DATABASE_URL: 'file:x', SESSION_SECRET: 'mine' };
    expect(readSettings('03-knex-sqlite', given)).toEqual({
      port: 0,
      host: '::1',
      databaseUrl: 'file:x',
      secret: 'mine',
      production: false,
    });
  });

  test.each(['-1', '65536', '3000.5', '3000a', 'Infinity'])('refuses port %s', (PORT) => {
    expect(() => readSettings('01-in-memory', { PORT })).toThrow(/^PORT is a number from 0 .*\.$/);
  });

  test('refuses in production the secret that everybody can read here', () => {
    const { secret } = readSettings('01-in-memory', {});
    const given = { NODE_ENV: 'production', SESSION_SECRET: secret };
    expect(() => readSettings('01-in-memory', given)).toThrow(/SESSION_SECRET/);
  });

  test('names kinds of databases that it does not know yet', async () => {
    await expect(openDatabase('mysql://localhost/x')).rejects.toThrow(/file:PATH/);
  });
});

const production = { NODE_ENV: 'production', SESSION_SECRET: 'of this test' };

function expectOneLine(ended: Ended, message: RegExp): void {
  expect(ended).toMatchObject({ code: 1, stdout: '' });
  expect(ended.stderr).toMatch(message);
  expect(ended.stderr.trimEnd().split('\n'), 'more than one line').toHaveLength(1);
  expect(ended.stderr, 'a stack trace').not.toMatch(/\bat .*:\d+/);
}

async function start(step: string, environment: NodeJS.ProcessEnv): Promise<ServerProcess> {
  const server = await ServerProcess.start(step, environment);
  onTestFinished(async () => {
    await server.end('SIGKILL');
  });
  return server;
}
