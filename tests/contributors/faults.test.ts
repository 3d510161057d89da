import { spawnSync } from 'node:child_process';
import { chmod, chown } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { connect } from '#database/open.ts';
import { storedId } from '#steps/08-hardened/session-id.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { readStep } from '#steps/shared/step.ts';
import { Browser, replay } from '#tools/browser.ts';
import { makeDatabase } from '#tools/databases.ts';
import { run } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root, stepFolder, stepNames } from '#tools/steps.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { Load, visitor } from '../load.ts';
import { fastBcrypt, startServer } from '../spawn.ts';
import { runSql, temporaryEnvironment } from '../temporary.ts';

const outcome = (step: string) => readStep(stepFolder(step)).outcomes['failing database'];
const surviving = stepNames.filter((step) => outcome(step) === '503, and back');
const dying = stepNames.filter((step) => outcome(step) === 'the process dies').slice(-1);

const preload = [fastBcrypt];

/** Permissions do not bind root, so the server runs as the user `nobody`, if that user can read the code. */
const nobody = process.getuid?.() === 0 && canRead(65534) ? 65534 : undefined;
const asServer = nobody === undefined ? {} : { uid: nobody };

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
    await underLoad([200, 503], async (load) => {
      await runSql(url, 'alter table sessions rename to away');
      await load.until('/api/me', 503);
      await load.until('/api/login', 503);
      await load.until('/', 200);
      await pause(500);
      await runSql(url, 'alter table away rename to sessions');
    });
  });

  test('another process that locks the database for five seconds', async () => {
    await underLoad([200, 503], async (load) => {
      const lock = isSqlite ? 'begin exclusive' : 'begin; lock table sessions';
      const settings = { pool: { min: 1, max: 1 } }; // one connection, which keeps the lock
      const knex = await connect(url, (knex) => retry(() => knex.raw(lock)), settings);
      await load.until('/api/login', 503);
      await load.until('/', 200);
      await pause(5000);
      await knex.raw('commit');
      await knex.destroy();
    });
  });

  // PostgreSQL has its own files: tests/many-servers.test.ts shows what happens while it is away.
  if (isSqlite) describeFiles();

  test('a corrupt row: nobody else is affected, and its user can log in again', async () => {
    const [victim = ''] = await logIn(server.url, 1);
    const sid = decodeURIComponent(victim).replace(/^sid=s:([^.]+)\..*$/, '$1');
    const corrupt = isSqlite ? '{"cookie":' : '{"cookie":1}'; // PostgreSQL accepts only JSON
    await underLoad([200], async () => {
      await runSql(
        url,
        `update sessions set sess = '${corrupt}' where sid in ('${sid}', '${storedId(sid)}')`,
      );
      expect((await replay(server.url, victim)).status).toBe(401);
      await logIn(server.url, 1);
    });
  });

  test('SIGTERM: requests sent before it are answered, and no session is lost', async () => {
    const load = new Load(server.url, cookies);
    await load.until('/api/login', 200);
    await pause(500);
    const logged = server.stderr.length;
    const told = performance.now();
    const { code, stderr } = await server.end('SIGTERM');
    await load.stop();
    const before = load.sent.filter(({ begun }) => begun < told - 100);
    expect(new Set(before.map(({ outcome }) => outcome))).toEqual(new Set([200]));
    expect(code).toBe(0);
    expect(stderr.slice(logged), 'logged while stopping').toBe('');
    server = await start();
    await expectAllLoggedIn();
  });

  function describeFiles(): void {
    // With this limit, the process cannot write to any file, which SQLite treats like a full disk.
    test.runIf(process.platform === 'linux')('a full disk', async () => {
      const limit = (bytes: string) =>
        run('prlimit', ['--pid', String(server.processId), `--fsize=${bytes}:`], asServer);
      await underLoad([200, 503], async (load) => {
        expect(await limit('1')).toMatchObject({ code: 0 });
        await load.until('/api/login', 503);
        await pause(500);
        await limit('unlimited');
      });
    });

    test.skipIf(process.getuid?.() === 0 && nobody === undefined)(
      'a folder that is read-only for a while',
      async () => {
        await underLoad([200, 503], async () => {
          await chmod(folder, 0o555);
          await pause(1000);
          await chmod(folder, 0o755);
        });
      },
    );
  }

  function start(): Promise<ServerProcess> {
    return ServerProcess.start(step, { DATABASE_URL: url }, { preload, ...asServer });
  }

  /** Causes a fault under load, and expects every request to be answered in time, and no session to be lost. */
  async function underLoad(allowed: number[], fault: (load: Load) => Promise<void>): Promise<void> {
    const load = new Load(server.url, cookies);
    try {
      await load.until('/api/login', 200);
      await fault(load);
      for (const path of ['/api/me', '/api/login', '/']) await load.until(path, 200);
    } finally {
      await load.stop();
    }
    const outcomes = new Set(load.sent.map(({ outcome }) => outcome));
    const slowest = Math.max(...load.sent.map(({ took }) => took));
    expect(allowed, 'the outcomes').toEqual(expect.arrayContaining([...outcomes]));
    expect(slowest, 'the slowest response, in milliseconds').toBeLessThan(3000);
    await expectAllLoggedIn();
  }

  async function expectAllLoggedIn(): Promise<void> {
    const answers = await Promise.all(cookies.map((cookie) => replay(server.url, cookie)));
    expect(answers.map(({ status }) => status)).toEqual(cookies.map(() => 200));
  }
});

describe.each(dying)('the real server of %s, under the same load, dies of', (step) => {
  test.for([
    ['a missing sessions table', 'alter table sessions rename to away', 'no such table: sessions'],
    ['a lock', 'begin exclusive', 'SQLITE_BUSY'],
  ] as const)('%s', async ([_what, sql, cause]) => {
    const environment = await temporaryEnvironment();
    const server = await startServer(step, environment);
    await new Browser(server.url).register(visitor);
    const load = new Load(server.url, await logIn(server.url, 2));
    await load.until('/api/login', 200);
    const knex = await connect(environment.DATABASE_URL, (knex) => retry(() => knex.raw(sql)));
    const { code, stderr } = await server.ended;
    await load.stop();
    await knex.destroy();
    expect(code).toBe(1);
    expect(stderr).toContain(cause);
  });
});

/** Tries again while the database is locked: under load, the server may hold the lock at that moment. */
async function retry(work: () => PromiseLike<unknown>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!/SQLITE_BUSY/.test(String(error))) throw error;
    }
  }
}

function canRead(uid: number): boolean {
  return spawnSync('test', ['-r', join(root, 'package.json')], { uid }).status === 0;
}

async function logIn(url: string, times: number): Promise<string[]> {
  const cookies: string[] = [];
  for (let time = 0; time < times; time++) {
    const browser = new Browser(url);
    expect((await browser.logIn(demo)).status).toBe(200);
    cookies.push(browser.cookie ?? '');
  }
  return cookies;
}
