import { Client } from 'pg';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Postgres, startPostgres } from '#steps/10-many-servers/postgres.ts';
import { Browser } from '#tools/browser.ts';
import { beginUpload } from '#tools/measure.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { send } from '../requests.ts';

const options = ['-c', 'max_connections=40']; // enough for both servers, and few enough to take them all
const others = 'from pg_stat_activity where datname is not null and pid <> pg_backend_pid()';

describe('two servers of step 10, on one PostgreSQL,', () => {
  let folder: string;
  let postgres: Postgres;
  let servers: ServerProcess[];
  let cookie: string;

  beforeAll(async () => {
    const temporary = await makeTemporaryFolder();
    folder = temporary.path;
    postgres = await startPostgres(folder, options);
    const start = () => ServerProcess.start('10-many-servers', { DATABASE_URL: postgres.url });
    servers = await Promise.all([start(), start()]);
    const browser = new Browser(servers[0]?.url ?? '');
    await browser.logIn();
    cookie = browser.cookie ?? '';
    return async () => {
      for (const server of servers) await server.end('SIGKILL');
      await postgres.stop();
      await temporary.remove();
    };
  });

  test('answer 503 while PostgreSQL is away, and afterwards as if nothing had happened', async () => {
    const upload = await beginUpload(servers[0]?.url ?? '', cookie);
    expect(await ask('/ready')).toEqual([200, 200]);
    await postgres.stop();
    expect(await ask('/api/me')).toEqual([503, 503]);
    expect(await ask('/ready')).toEqual([503, 503]);
    expect(await ask('/health')).toEqual([200, 200]);
    expect(await ask('/')).toEqual([200, 200]);
    // At the same address: the servers are to find it again.
    postgres = await startPostgres(folder, options, Number(new URL(postgres.url).port));
    await expect.poll(() => ask('/ready')).toEqual([200, 200]);
    expect(await ask('/api/me')).toEqual([200, 200]);
    expect(await upload.finish()).toMatchObject({ statusCode: 204 });
    const response = await fetch(`${servers[1]?.url}/inspect`, { headers: { cookie } });
    const flash = 'Your upload of 6 bytes is complete.'; // what the upload left in the session
    expect(await response.json()).toMatchObject({ session: { flash } });
    expect(servers.map(({ hasEnded }) => hasEnded)).toEqual([false, false]);
  });

  test('answer 503 while PostgreSQL has no connections left, and work again when it has', async () => {
    const clients = [await connect()];
    const giveBack = () => Promise.all(clients.splice(0).map((client) => client.end()));
    onTestFinished(async () => {
      await giveBack();
    });
    await clients[0]?.query(`select pg_terminate_backend(pid, 60000) ${others}`);
    const takeAll = async () => {
      for (;;) clients.push(await connect());
    };
    await expect(takeAll()).rejects.toThrow('sorry, too many clients already');
    expect(await ask('/api/me')).toEqual([503, 503]);
    await giveBack();
    await expect.poll(() => ask('/api/me')).toEqual([200, 200]);
  });

  test.skipIf(process.platform === 'win32')('stop even if PostgreSQL does not answer', async () => {
    expect(await ask('/api/me')).toEqual([200, 200]);
    const client = await connect();
    const { rows } = await client.query(`select pid ${others}`);
    await client.end();
    for (const { pid } of rows) process.kill(pid, 'SIGSTOP');
    onTestFinished(() => {
      for (const { pid } of rows) process.kill(pid, 'SIGCONT');
    });
    expect(await ask('/api/me')).toEqual([503, 503]);
    const ends = await Promise.all(servers.map((server) => server.end('SIGTERM')));
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
  });

  async function connect(): Promise<Client> {
    const client = new Client(postgres.url);
    await client.connect();
    return client;
  }

  /** Asks both servers, logged in. @returns their statuses. */
  function ask(path: string): Promise<number[]> {
    return Promise.all(servers.map(({ url }) => send('GET', url + path, { cookie })));
  }
});
