import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import express from 'express';
import { describe, expect, test } from 'vitest';
import { openDatabase, readDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { closeServer, listen } from '#steps/shared/serve.ts';
import { Browser } from '#tools/browser.ts';
import { beginUpload } from '#tools/measure.ts';
import type { Ended } from '#tools/processes.ts';
import { movingClock, ServerProcess } from '#tools/server-process.ts';
import { send, untilRefused } from './requests.ts';
import { fastBcrypt, probe, startServer } from './spawn.ts';
import { temporaryEnvironment } from './temporary.ts';

const step = '04-minimal-payload'; // all steps are served by the same code
const production = { NODE_ENV: 'production', SESSION_SECRET: 'x'.repeat(32) };
const listens = `${step} · .+ · http://127\\.0\\.0\\.1:\\d+ · process \\d+`;

describe('a server that is told to stop', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s finishes the requests in flight, closes its database and exits with 0',
    async (signal) => {
      const { server, upload } = await startUpload([fastBcrypt, probe]);
      server.signal(signal);
      await untilRefused(server.url);
      expect(server.stdout, 'the database is closed too early').not.toContain('closes');
      const answer = await Promise.race([upload.finish(), server.ended]);
      expect(answer, 'the answer to the request in flight').toBe(204);
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
    const { server } = await startUpload([fastBcrypt, movingClock]);
    server.signal('SIGTERM');
    await untilRefused(server.url);
    await server.advance(5000);
    const ended = await endOf(server, 'it still waits, after 5 seconds');
    expect(ended).toMatchObject({ code: 0, signal: null });
  });

  test('answers those who connected while it was busy', async () => {
    const server = await startServer(step);
    const { hostname, port } = new URL(server.url);
    const processId = server.processId ?? 0;
    process.kill(processId, 'SIGSTOP'); // as busy as can be; the kernel accepts connections for it
    const clients = Array.from({ length: 4 }, () => connect(Number(port), hostname));
    await Promise.all(clients.map((client) => once(client, 'connect')));
    const answers = clients.map((client) => {
      client.write(`GET /inspect HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
      return once(client, 'data').then(String, ({ code }) => code);
    });
    server.signal('SIGTERM');
    process.kill(processId, 'SIGCONT');
    for (const answer of answers) expect(await answer).toMatch(/^HTTP\/1\.1 200 /);
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

test('a client that sends slowly is cut off: headers in a minute, bodies in five', async () => {
  const server = await listen(express(), { port: 0, host: '127.0.0.1' });
  const { headersTimeout, requestTimeout } = server;
  await closeServer(server);
  expect({ headersTimeout, requestTimeout }).toEqual({
    headersTimeout: 60_000,
    requestTimeout: 300_000,
  });
});

test('in production, the development tools and the demo account are absent, and no account is deleted', async () => {
  const { DATABASE_URL } = await temporaryEnvironment();
  const knex = await openDatabase(DATABASE_URL);
  await new Users(knex, { bcryptCost: 4 }).add(demo); // by a server in development
  await knex.destroy();
  const server = await startServer(step, { DATABASE_URL, ...production });
  for (const path of ['/inspect', '/upload', '/database/break', '/database/restore']) {
    const method = path === '/inspect' ? 'GET' : 'POST';
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
