import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Knex } from 'knex';
import { beforeAll, describe, expect, test } from 'vitest';
import { readStep } from '#steps/shared/step.ts';
import { Browser, replay } from '#tools/browser.ts';
import { connectTo, isPostgres, makeDatabase } from '#tools/databases.ts';
import { run } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root, stepFolder, stepNames } from '#tools/steps.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { startServer } from '../spawn.ts';
import { runSql, temporaryEnvironment } from '../temporary.ts';
import { Load, visitor } from './load.ts';

const outcome = (step: string) => readStep(stepFolder(step)).outcomes.failure;
// Steps 06 and 08 handle failures with the code of steps 05 and 07.
const surviving = stepNames.filter((step) => outcome(step) === 'survives' && !/^0[68]/.test(step));
const dying = stepNames.filter((step) => outcome(step) === 'dies').slice(-1);

/** Permissions do not bind root, so the server runs as the user `nobody`, if that user can read the code. */
const nobody = process.getuid?.() === 0 && canRead(65534) ? 65534 : undefined;
const asServer = nobody === undefined ? {} : { uid: nobody };
const isRoot = process.getuid?.() === 0 && nobody === undefined;

describe.each(surviving)('the real server of %s, under load, survives', (step) => {
  const isSqlite = readStep(stepFolder(step)).store === 'sqlite';
  let folder: string;
  let url: string;
  let server: ServerProcess;
  let cookies: string[];

  beforeAll(async () => {
    const { path, remove } = await makeTemporaryFolder();
    folder = path;
    const database = await makeDatabase(step, folder);
    url = database.url;
    if (nobody !== undefined) await chown(folder, nobody, nobody);
    server = await start();
    await new Browser(server.url).register(visitor);
    cookies = await logIn(server.url, 10);
    return async () => {
      await server.end('SIGKILL');
      await database.remove();
      await remove();
    };
  });

  test('a sessions table that is missing for a second', async () => {
    await underLoad(async (load) => {
      await runSql(url, 'alter table sessions rename to away');
      await load.until('/api/me', 503);
      await load.until('/api/login', 503);
      await load.until('/', 200);
      await pause(500);
      await runSql(url, 'alter table away rename to sessions');
    });
  });

  test('another process that locks the database: the answers do not wait for it', async () => {
    await underLoad(async (load) => {
      const knex = await runWhenFree(
        url,
        isSqlite ? 'begin exclusive' : 'begin; lock table sessions',
      );
      await load.until('/api/login', 503);
      await load.until('/', 200);
      await load.answered();
      await knex.raw('commit');
      await knex.destroy();
    });
  });

  // With this limit, the process cannot write to any file, which SQLite treats like a full disk.
  test.runIf(isSqlite && process.platform === 'linux')('a full disk', async () => {
    const limit = (bytes: string) =>
      run('prlimit', ['--pid', String(server.processId), `--fsize=${bytes}:`], asServer);
    await underLoad(async (load) => {
      expect(await limit('1')).toMatchObject({ code: 0 });
      await load.until('/api/login', 503);
      await pause(500);
      await limit('unlimited');
    });
  });

  test.runIf(isSqlite && !isRoot)('a folder that is read-only for a while', async () => {
    await underLoad(async () => {
      await chmod(folder, 0o555);
      await pause(1000);
      await chmod(folder, 0o755);
    });
  });

  test('a corrupt row: nobody else is affected, and its user can log in again', async () => {
    const [victim = ''] = await logIn(server.url, 1);
    const sid = decodeURIComponent(victim).replace(/^sid=s:([^.]+)\..*$/, '$1');
    const corrupt = isSqlite ? '{"cookie":' : '{"cookie":1}'; // PostgreSQL accepts only JSON
    await underLoad(async () => {
      await runSql(
        url,
        `update sessions set sess = '${corrupt}' where sid in ('${sid}', '${createHash('sha256').update(sid).digest('base64url')}')`,
      );
      expect((await replay(server.url, victim)).status).toBe(401);
      await logIn(server.url, 1);
    });
  });

  test('SIGTERM: requests that the server has accepted are answered, and no session is lost', async () => {
    const load = new Load(server.url, cookies);
    await load.until('/api/login', 200);
    const logged = server.stderr.length;
    // Connections are accepted in their order: with this one, all that were opened before it.
    const accepted = Math.max(...load.sent.map(({ begun }) => begun));
    const { code, stderr } = await server.end('SIGTERM');
    await load.stop();
    const before = load.sent.filter(({ begun }) => begun <= accepted);
    expect(new Set(before.map(({ outcome }) => outcome))).toEqual(new Set([200]));
    expect({ code, logged: stderr.slice(logged) }).toEqual({ code: 0, logged: '' });
    server = await start();
    await expectAllLoggedIn();
  });

  function start(): Promise<ServerProcess> {
    return ServerProcess.start(step, { DATABASE_URL: url }, asServer);
  }

  /** Causes a fault under load, and expects every request to be answered, and no session to be lost. */
  async function underLoad(fault: (load: Load) => Promise<void>): Promise<void> {
    const load = new Load(server.url, cookies);
    try {
      await load.until('/api/login', 200);
      await fault(load);
      for (const path of ['/api/me', '/api/login', '/']) await load.until(path, 200);
    } finally {
      await load.stop();
    }
    const outcomes = new Set(load.sent.map(({ outcome }) => outcome));
    expect([200, 503], 'the outcomes').toEqual(expect.arrayContaining([...outcomes]));
    await expectAllLoggedIn();
  }

  async function expectAllLoggedIn(): Promise<void> {
    const answers = await Promise.all(cookies.map((cookie) => replay(server.url, cookie)));
    expect(answers.map(({ status }) => status)).toEqual(cookies.map(() => 200));
  }
});

describe.each(dying)('the real server of %s, under the same load, dies of', (step) => {
  test.each([
    ['a missing sessions table', 'alter table sessions rename to away', 'no such table: sessions'],
    ['a lock', 'begin exclusive', 'SQLITE_BUSY'],
  ])('%s', async (_what, sql, cause) => {
    const environment = await temporaryEnvironment();
    const server = await startServer(step, environment);
    await new Browser(server.url).register(visitor);
    const load = new Load(server.url, await logIn(server.url, 2));
    await load.until('/api/login', 200);
    const knex = await runWhenFree(environment.DATABASE_URL, sql);
    const { code, stderr } = await server.ended;
    await load.stop();
    await knex.destroy();
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(cause) });
  });
});

/** Runs SQL as soon as the server does not hold the lock. @returns the connection. */
async function runWhenFree(url: string, sql: string): Promise<Knex> {
  const knex = await connectTo(url);
  if (!isPostgres(knex)) await knex.raw('pragma busy_timeout = 60000');
  await knex.raw(sql);
  return knex;
}

function canRead(uid: number): boolean {
  return spawnSync('test', ['-r', join(root, 'package.json')], { uid }).status === 0;
}

async function logIn(url: string, times: number): Promise<string[]> {
  const cookies: string[] = [];
  for (let time = 0; time < times; time++) {
    const browser = new Browser(url);
    expect((await browser.logIn()).status).toBe(200);
    cookies.push(browser.cookie ?? '');
  }
  return cookies;
}
