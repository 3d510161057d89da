import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type OwnPostgres, startPostgres } from '#database/postgres.ts';
import { Browser } from '#tools/browser.ts';
import { ChildProcess } from '#tools/processes.ts';
import { movingClock, ServerProcess } from '#tools/server-process.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { visitor } from '../load.ts';
import { send } from '../requests.ts';
import {
  askEach,
  deploy,
  expectAllLoggedIn,
  figures,
  logIn,
  me,
  patience,
  processIds,
  StepsCopy,
  startLoad,
} from '../several-servers.ts';
import { fastBcrypt } from '../spawn.ts';
import { runSql } from '../temporary.ts';

describe('the servers of step 09', { timeout: 300_000 }, () => {
  let postgres: OwnPostgres;

  beforeAll(async () => {
    const { path, remove } = await makeTemporaryFolder();
    postgres = await startPostgres(path);
    return async () => {
      await postgres.stop();
      await remove();
    };
  }, 60_000);

  test('are replaced by ten rolling deploys in a row: no request fails, no login is lost', async () => {
    const server = await start('2');
    const cookies = await Promise.all(Array.from({ length: 6 }, () => logIn(server.url)));
    const load = await startLoad(server.url, cookies);
    const times: Record<string, number> = {};
    for (let round = 1; round <= 10; round++) times[`deploy ${round}`] = await deploy(server);
    await load.stop();
    figures(load, times);
    expect(load.outcomes).toEqual([200]);
    await expectAllLoggedIn(server.url, cookies);
  });

  test('start another each time one is killed: ten times, and during a deploy', async () => {
    const server = await start('2');
    const cookies = [await logIn(server.url)];
    for (let round = 1; round <= 10; round++) {
      await runSql(postgres.url, 'delete from attempts'); // those that were under way were never taken back
      const load = await startLoad(server.url, cookies);
      const [victim = 0] = await processIds(server.url);
      const killed = performance.now();
      process.kill(victim, 'SIGKILL');
      await server.printed(({ stderr }) => stderr.includes(`Process ${victim} ended`));
      const noticed = performance.now();
      await processIds(server.url);
      figures(load, { back: performance.now() - killed });
      await load.stop(1000);
      const failed = load.sent.filter(({ outcome }) => outcome !== 200);
      expect(failed.filter(({ begun }) => begun > noticed)).toEqual([]);
    }
    const [victim = 0] = await processIds(server.url);
    const deployed = deploy(server);
    process.kill(victim, 'SIGKILL');
    await deployed;
    await expectServers(server.url, 2);
    await expectAllLoggedIn(server.url, cookies);
  });

  test('can be four', async () => {
    const server = await start('4');
    expect(await askEach(server.url, await logIn(server.url), 4)).toEqual([200, 200, 200, 200]);
    await deploy(server);
    await expectServers(server.url, 4);
  });

  describe('with SERVERS=1', () => {
    let one: ServerProcess;

    beforeAll(async () => {
      one = await startServers('1');
      return async () => {
        await one.end('SIGKILL');
      };
    }, 60_000);

    test('are replaced without a failed request, and their address is always ready', async () => {
      const [before] = await processIds(one.url, 1);
      const load = await startLoad(one.url, [await logIn(one.url)]);
      let isDone = false;
      const deployed = deploy(one).finally(() => {
        isDone = true;
      });
      const checks = new Set<number>();
      while (!isDone) checks.add(await send('GET', `${one.url}/ready`));
      await deployed;
      await load.stop();
      expect([...checks], 'what a load balancer saw').toEqual([200]);
      expect(load.outcomes).toEqual([200]);
      expect(await processIds(one.url, 1)).not.toContain(before);
    });

    test.skipIf(process.platform === 'win32')(
      'stop even if PostgreSQL does not answer',
      async () => {
        const cookie = await logIn(one.url);
        const client = new Client(postgres.url);
        await client.connect();
        const { rows } = await client.query(
          'select pid from pg_stat_activity where datname is not null and pid <> pg_backend_pid()',
        );
        await client.end();
        for (const { pid } of rows) process.kill(pid, 'SIGSTOP');
        onTestFinished(() => {
          for (const { pid } of rows) process.kill(pid, 'SIGCONT');
        });
        expect(await me(one.url, cookie)).toBe(503);
        process.kill(one.processId ?? 0, 'SIGTERM');
        expect(await one.ended).toMatchObject({ code: 0, signal: null });
      },
    );
  });

  test('stop in order even while another is starting', async () => {
    const one = await startServers('1');
    one.signal('SIGHUP');
    const { code, stderr } = await one.end('SIGTERM');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test.skipIf(process.platform === 'win32')(
    'are killed if they do not stop, and the deploy continues',
    async () => {
      const one = await start('1', [movingClock]);
      const [hung = 0] = await processIds(one.url, 1);
      process.kill(hung, 'SIGSTOP');
      const deployed = deploy(one);
      const log = async () => {
        await one.advance(20_000); // in milliseconds
        return one.stderr;
      };
      await expect.poll(log, patience).toBe(`Process ${hung} did not stop, and was killed.\n`);
      await deployed;
      expect(await processIds(one.url, 1)).not.toContain(hung);
    },
  );

  async function start(SERVERS: string, preload?: string[]): Promise<ServerProcess> {
    const server = await startServers(SERVERS, preload);
    onTestFinished(async () => {
      await server.end('SIGKILL');
    });
    return server;
  }

  async function startServers(SERVERS: string, preload: string[] = []): Promise<ServerProcess> {
    const environment = { DATABASE_URL: postgres.url, SERVERS };
    const options = { preload: [fastBcrypt, ...preload] };
    const server = await ServerProcess.start('09-many-servers', environment, options);
    await new Browser(server.url).register(visitor);
    return server;
  }

  /** Expects exactly that number of servers. */
  async function expectServers(url: string, number: number): Promise<void> {
    await processIds(url, number);
    const ids = new Set<number>();
    for (let request = 0; request < 5 * number; request++) {
      for (const id of await processIds(url, 1)) ids.add(id);
    }
    expect(ids.size).toBe(number);
  }
});

describe('a PostgreSQL of its own', { timeout: 120_000 }, () => {
  let steps: StepsCopy;

  beforeAll(async () => {
    steps = await StepsCopy.make();
    return steps.remove;
  }, 60_000);

  test('that a killed server left running is stopped, and started again', async () => {
    const left = await startPostgres(steps.postgres);
    onTestFinished(() => left.stop());
    await writeFile(join(steps.postgres, 'owner'), String(await deadProcessId()));
    const id = await steps.postmaster();
    const server = await steps.start({ SERVERS: '1' });
    expect(server.stdout).not.toContain(new URL(left.url).host);
    expect(await steps.postmaster()).not.toBe(id);
    await logIn(server.url);
    await server.end('SIGTERM');
  });

  test('serves a rolling deploy of new code; code that is broken is not deployed', async () => {
    const server = await steps.start({ SERVERS: '1' });
    const [before] = await processIds(server.url, 1);
    const entry = steps.script;
    const code = await readFile(entry, 'utf8');
    await writeFile(entry, `throw new Error('This code is broken.');`);
    server.signal('SIGHUP');
    await server.printed(({ stderr }) => stderr.includes('continue as they are'), 60_000);
    expect(await processIds(server.url, 1)).toEqual([before]);
    await writeFile(
      entry,
      code.replace('const knex', "console.log('This code is new.');\n    const knex"),
    );
    await deploy(server);
    expect(server.stdout).toContain('This code is new.\n');
    expect(server.stderr, 'printed after the deploy that failed').toMatch(/as they are\.\n$/);
    await writeFile(entry, code);
    await server.end('SIGTERM');
  });
});

async function deadProcessId(): Promise<number> {
  const child = new ChildProcess(process.execPath, ['-e', '']);
  await child.ended;
  return child.processId ?? 0;
}
