import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import express from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase, readDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { closeServer, listen, urlOf } from '#steps/shared/serve.ts';
import { Browser } from '#tools/browser.ts';
import { beginUpload } from '#tools/measure.ts';
import { type Ended, Shell } from '#tools/processes.ts';
import { movingClock, ServerProcess } from '#tools/server-process.ts';
import { send, untilRefused } from './requests.ts';
import { probe, startServer } from './spawn.ts';
import { runSql, temporaryEnvironment } from './temporary.ts';

const step = '04-minimal-payload'; // all steps are served by the same code
const production = { NODE_ENV: 'production', SESSION_SECRET: 'x'.repeat(32) };
const listens = `${step} · .+ · http://127\\.0\\.0\\.1:\\d+ · process \\d+`;

describe('a server that is told to stop', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s finishes the requests in flight, closes its database and exits with 0',
    async (signal) => {
      const { server, upload } = await startUpload([probe]);
      server.signal(signal);
      await untilRefused(server.url);
      expect(server.stdout, 'the database is closed too early').not.toContain('closes');
      const answer = await Promise.race([upload.finish(), server.ended]);
      expect(answer, 'the answer to the request in flight').toMatchObject({ statusCode: 204 });
      // The client keeps its connection, as a browser does, and has nothing to send.
      const ended = await endOf(server, 'it waits for an idle connection');
      expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
      expect(ended.stdout).toMatch(new RegExp(`^${listens}\nprobe: closes the database\n$`));
    },
  );

  test('ends at once at a second signal', async () => {
    const { server } = await startUpload();
    server.signal('SIGTERM');
    await untilRefused(server.url);
    server.signal('SIGINT');
    const ended = await endOf(server, 'it still waits, after a second signal');
    expect(ended).toMatchObject({ code: 1, signal: null });
  });

  test('waits 5 seconds for a request that never ends, and no longer', async () => {
    const { server } = await startUpload([movingClock]);
    server.signal('SIGTERM');
    await untilRefused(server.url);
    await server.advance(5000);
    const ended = await endOf(server, 'it still waits, after 5 seconds');
    expect(ended).toMatchObject({ code: 0, signal: null });
  });

  async function startUpload(preload?: string[]) {
    const server = await startServer(step, {}, preload);
    const browser = new Browser(server.url);
    await browser.logIn(demo);
    return { server, upload: await beginUpload(server.url, browser.cookie ?? '') };
  }

  async function endOf(server: ServerProcess, otherwise: string): Promise<Ended> {
    const ended = await Promise.race([server.ended, pause(3000)]);
    if (!ended) throw new Error(`The server still runs after 3 seconds: ${otherwise}.`);
    return ended;
  }
});

test('a server keeps running when nobody reads its log any more', async () => {
  const { DATABASE_URL } = await temporaryEnvironment();
  const file = 'steps/05-failing-database/server.ts'; // the first that logs its 503s
  const shell = new Shell(`"${process.execPath}" --import tsx ${file} 2>&1 | head -1`, {
    env: { DATABASE_URL, PORT: '0' },
  });
  onTestFinished(async () => {
    await shell.endAll('SIGKILL');
  });
  await shell.printed(({ stdout }) => stdout.endsWith('\n'));
  const [url = ''] = /http:\S+/.exec(shell.stdout) ?? [];
  await runSql(DATABASE_URL, 'alter table sessions rename to away');
  const ask = () => send('GET', `${url}/inspect`);
  expect([await ask(), await ask(), await ask()]).toEqual([503, 503, 503]);
});

test('a server has the limits that it is given', async () => {
  const limits = { timeout: 1234, headersTimeout: 100, connectionsCheckingInterval: 50 };
  const server = await listen(express(), { port: 0, host: '127.0.0.1' }, limits);
  onTestFinished(() => closeServer(server));
  expect(server.timeout).toBe(1234);
  const silent = connect(Number(new URL(urlOf(server)).port)).resume();
  await once(silent, 'close'); // or the test takes too long
});

test('in production, the development tools and the demo account are absent, and no account is deleted', async () => {
  const { DATABASE_URL } = await temporaryEnvironment();
  const knex = await openDatabase(DATABASE_URL);
  await new Users(knex, { bcryptCost: 4 }).add(demo); // by a server in development
  await knex.destroy();
  const server = await startServer(step, { DATABASE_URL, ...production });
  for (const path of ['/inspect', '/chapter', '/upload', '/database/break', '/database/restore']) {
    const method = ['/inspect', '/chapter'].includes(path) ? 'GET' : 'POST';
    expect(await send(method, `${server.url}${path}`), `${method} ${path}`).toBe(404);
  }
  const browser = new Browser(server.url);
  expect((await browser.logIn(demo)).status, 'a login with the public password').toBe(401);
  await server.end('SIGTERM');
  const after = await readDatabase(DATABASE_URL);
  expect(await after('users').pluck('username'), 'the accounts').toEqual([demo.username]);
  await after.destroy();
});

describe('a server that cannot start says why in one line, and exits with 1', () => {
  test.each<[string, NodeJS.ProcessEnv, RegExp]>([
    ['a database whose folder is missing', { DATABASE_URL: 'file:/no/x.db' }, /DATABASE_URL/],
    ['a NODE_ENV that is misspelt', { NODE_ENV: 'prod' }, /^NODE_ENV .* production/],
  ])('%s', async (_what, environment, message) => {
    expectOneLine(await fail(environment), message);
  });

  test('a port in use, whose server keeps running', async () => {
    const { url } = await startServer(step);
    const { port } = new URL(url);
    expectOneLine(await fail({ PORT: port }), new RegExp(`^Port ${port} is in use\\. .*PORT=`));
    expect(await send('GET', `${url}/inspect`)).toBe(200);
  });

  test('a host that is not this machine', async () => {
    const listening = listen(express(), { port: 0, host: '192.0.2.1' });
    await expect(listening).rejects.toThrow(/^Cannot listen on .* HOST\.$/);
  });

  async function fail(environment: NodeJS.ProcessEnv): Promise<Ended> {
    const database = await temporaryEnvironment();
    return ServerProcess.fail(`steps/${step}/server.ts`, { ...database, ...environment });
  }

  function expectOneLine(ended: Ended, message: RegExp): void {
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.trimEnd().split('\n'), 'more than one line').toHaveLength(1);
  }
});
