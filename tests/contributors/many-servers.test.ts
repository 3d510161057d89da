import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type OwnPostgres, startPostgres } from '#database/postgres.ts';
import { Browser } from '#tools/browser.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { visitor } from '../load.ts';
import {
  askEach,
  deploy,
  expectAllLoggedIn,
  figures,
  logIn,
  processIds,
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

  test('are two again each time that one is killed: ten times, and during a deploy', async () => {
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
    const [first = 0, second = 0] = await processIds(server.url);
    const deployed = deploy(server);
    for (const id of [first, second]) process.kill(id, 'SIGKILL');
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

  async function start(SERVERS: string): Promise<ServerProcess> {
    const environment = { DATABASE_URL: postgres.url, SERVERS };
    const options = { preload: [fastBcrypt] };
    const server = await ServerProcess.start('09-many-servers', environment, options);
    onTestFinished(async () => {
      await server.end('SIGKILL');
    });
    await new Browser(server.url).register(visitor);
    return server;
  }

  /** Not fewer, and not more. */
  async function expectServers(url: string, number: number): Promise<void> {
    await processIds(url, number);
    const ids = new Set<number>();
    for (let request = 0; request < 5 * number; request++) {
      for (const id of await processIds(url, 1)) ids.add(id);
    }
    expect(ids.size).toBe(number);
  }
});
