import { spawnSync } from 'node:child_process';
import { chmod, chown, copyFile, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '#database/open.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root } from '#tools/steps.ts';
import { Browser, replay } from './browser.ts';
import { Load } from './load.ts';
import { runSql, temporaryEnvironment } from './temporary.ts';

const SESSIONS = 10;

/** As root, permissions bind nobody: the server runs as the user called so, if that one can read it. */
const nobody = process.getuid?.() === 0 && isReadableBy(65534) ? 65534 : undefined;

describe('the real server of 05-durable under load, one fault after the other', () => {
  let folder: string;
  let file: string;
  let url: string;
  let server: ServerProcess;
  let cookies: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keep-users-logged-in-'));
    file = join(folder, 'test.sqlite3');
    url = `file:${file}`;
    if (nobody !== undefined) await chown(folder, nobody, nobody);
    server = await ServerProcess.start(
      '05-durable',
      { DATABASE_URL: url },
      nobody === undefined ? {} : { uid: nobody },
    );
    cookies = await logIn(server.url, SESSIONS);
  });

  afterAll(async () => {
    await server.end('SIGKILL');
    await rm(folder, { recursive: true });
  });

  test('the sessions table is away for a second', async ({ annotate }) => {
    const { outcomes, summary } = await underLoad(async (load) => {
      await runSql(url, 'alter table sessions rename to away');
      await load.until(({ what, outcome }) => what === 'read /api/me' && outcome === 503);
      await load.until(({ what, outcome }) => what === 'login' && outcome === 503);
      await load.until(({ what, outcome }) => what === 'page' && outcome === 200);
      await pause(500);
      await runSql(url, 'alter table away rename to sessions');
    });
    await annotate(summary);
    expect(outcomes).toEqual(['200', '503']);
  });

  test('another process locks the database for five seconds', async ({ annotate }) => {
    const { outcomes, summary } = await underLoad(async (load) => {
      const knex = await connect(url, (knex) => knex.raw('begin exclusive'));
      await load.until(({ what, outcome }) => what === 'login' && outcome === 503);
      await load.until(({ what, outcome }) => what === 'read /api/me' && outcome === 200);
      await pause(5000);
      await knex.raw('commit');
      await knex.destroy();
    });
    await annotate(summary);
    expect(outcomes).toEqual(['200', '503']);
  });

  test.for([
    ['the file is replaced by garbage, and put back', 0],
    ['all of the file but its first page is', 4096],
  ] as const)('%s', async ([_what, begin], { annotate }) => {
    await runSql(url, 'pragma wal_checkpoint(truncate)'); // all that there was is in the file now,
    cookies.push(...(await logIn(server.url, SESSIONS))); // and these are in the write-ahead log only
    const { outcomes, summary } = await underLoad(async (load) => {
      const putBack = await replaceByGarbage(file, begin);
      await load.until(({ what, outcome }) => what === 'login' && outcome === 503);
      await pause(1000); // both connections have met it
      await putBack();
    });
    await annotate(summary);
    expect(outcomes).toEqual(['200', '503']);
  });

  test('the same when nobody writes: what was read from the garbage is forgotten', async () => {
    await runSql(url, "update sessions set sess = sess where sid = ''"); // another process: all is read anew,
    await runSql(url, 'pragma wal_checkpoint(truncate)'); // and from the file
    const putBack = await replaceByGarbage(file, 0);
    const answers = await Promise.all(cookies.map((cookie) => replay(server.url, cookie)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    await putBack();
    await expectAllThere();
  });

  test('the directory is read-only', async ({ annotate }) => {
    const { outcomes, summary } = await underLoad(async () => {
      await chmod(folder, 0o555);
      await pause(500);
      await chmod(folder, 0o755);
    });
    await annotate(summary);
    expect(['200', '503']).toEqual(expect.arrayContaining(outcomes));
  });

  test('a row is no session any more: only its user has to log in again', async ({ annotate }) => {
    const [victim = ''] = await logIn(server.url, 1);
    const sid = decodeURIComponent(victim).replace(/^sid=s:([^.]+)\..*$/, '$1');
    const { outcomes, summary } = await underLoad(async () => {
      await runSql(url, `update sessions set sess = '{"cookie":' where sid = '${sid}'`);
      expect((await replay(server.url, victim)).status).toBe(401);
    });
    await annotate(summary);
    expect(outcomes).toEqual(['200']);
  });

  test('SIGTERM: what was sent before is answered, and nothing is logged after', async ({
    annotate,
  }) => {
    const load = new Load(server.url, cookies);
    await load.until(({ what }) => what === 'login');
    const told = performance.now();
    const { code, stderr } = await server.end('SIGTERM');
    const took = Math.round(performance.now() - told);
    await load.stop();
    const before = load.sent.filter(({ begun }) => begun < told - 100);
    expect(new Set(before.map(({ outcome }) => outcome))).toEqual(new Set([200]));
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/\bat .*:\d+|aborted|destroyed/i);
    await annotate(`${before.length} requests before it; the process ended ${took} ms after it`);

    server = await ServerProcess.start('05-durable', { DATABASE_URL: url });
    await expectAllThere();
  });

  /** Runs a fault under load, and checks what holds for each: answers, their time, and the sessions. */
  async function underLoad(fault: (load: Load) => Promise<void>) {
    const load = new Load(server.url, cookies);
    try {
      await load.until(({ what, outcome }) => what === 'login' && outcome === 200);
      await fault(load);
      for (const kind of ['read /api/me', 'login', 'page']) {
        await load.until(({ what, outcome }) => what === kind && outcome === 200);
      }
    } finally {
      await load.stop();
    }
    const { outcomes, slowest } = load.summary();
    expect(slowest, 'the slowest answer, in milliseconds').toBeLessThan(3000);
    await expectAllThere();
    const counted = Object.entries(outcomes).map(([outcome, times]) => `${times} × ${outcome}`);
    return {
      outcomes: Object.keys(outcomes).sort(),
      summary: `${counted.join(', ')}; the slowest took ${slowest} ms`,
    };
  }

  async function expectAllThere(): Promise<void> {
    const answers = await Promise.all(cookies.map((cookie) => replay(server.url, cookie)));
    expect(answers.map(({ status }) => status)).toEqual(cookies.map(() => 200));
  }
});

describe('the real server of 04-minimal-payload under the same load', () => {
  test.for([
    ['its table is away', 'alter table sessions rename to away', 'no such table: sessions'],
    ['another process locks the database', 'begin exclusive', 'SQLITE_BUSY'],
  ] as const)('does not outlive that %s', async ([_what, sql, cause], { annotate }) => {
    const environment = await temporaryEnvironment();
    const server = await ServerProcess.start('04-minimal-payload', environment);
    const load = new Load(server.url, await logIn(server.url, 2));
    await load.until(({ what, outcome }) => what === 'login' && outcome === 200);
    const knex = await connect(environment.DATABASE_URL, (knex) => retry(() => knex.raw(sql)));
    const { code, stderr } = await server.ended;
    await load.stop();
    await knex.destroy();
    expect(code).toBe(1);
    expect(stderr).toContain(cause);
    const unanswered = load.sent.filter(({ outcome }) => typeof outcome === 'string');
    expect(unanswered.length).toBeGreaterThan(0);
    await annotate(stderr);
  });
});

/** Under load, somebody else may hold the lock just then. */
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

/**
 * @param begin how many bytes at the beginning stay.
 * @returns what gives the file its content back.
 */
async function replaceByGarbage(file: string, begin: number): Promise<() => Promise<void>> {
  const { size } = await stat(file);
  await copyFile(file, `${file}.good`);
  const handle = await open(file, 'r+');
  await handle.write('garbage '.repeat((size - begin) / 8), begin);
  await handle.close();
  return () => copyFile(`${file}.good`, file);
}

function isReadableBy(uid: number): boolean {
  return spawnSync('test', ['-r', join(root, 'package.json')], { uid }).status === 0;
}

/** One after the other: bcrypt in JavaScript stops everything else while it works. */
async function logIn(url: string, times: number): Promise<string[]> {
  const cookies: string[] = [];
  for (let time = 0; time < times; time++) {
    const browser = new Browser(url);
    expect((await browser.logIn(demo)).status).toBe(200);
    cookies.push(browser.cookie ?? '');
  }
  return cookies;
}
