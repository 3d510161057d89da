import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type OwnPostgres, startPostgres } from '#database/postgres.ts';
import { Browser } from '#tools/browser.ts';
import { beginUpload } from '#tools/measure.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { visitor } from './load.ts';
import { send } from './requests.ts';
import {
  askEach,
  deploy,
  expectAllLoggedIn,
  figures,
  inspect,
  logIn,
  me,
  patience,
  processIds,
  StepsCopy,
  startLoad,
} from './several-servers.ts';
import { fastBcrypt } from './spawn.ts';
import { runSql, temporaryEnvironment } from './temporary.ts';

const step = '09-many-servers';
const script = `steps/${step}/server.ts`;
const preload = [fastBcrypt];
const tooNew =
  'The tables are too new for this server: it does not know 999-from-the-future. Start a newer version.\n';

describe('the servers of step 09, on one PostgreSQL,', { timeout: 120_000 }, () => {
  let folder: string;
  let postgres: OwnPostgres;
  let server: ServerProcess;
  let cookies: string[];

  beforeAll(async () => {
    const temporary = await makeTemporaryFolder();
    folder = temporary.path;
    postgres = await startPostgres(folder, options);
    server = await start();
    await new Browser(server.url).register(visitor);
    cookies = await Promise.all(Array.from({ length: 6 }, () => logIn(server.url)));
    return async () => {
      await server.end('SIGKILL');
      await postgres.stop();
      await temporary.remove();
    };
  }, 60_000);

  // An attempt to log in that is under way when a server or the database ends is never taken back.
  const forgetAttempts = () => runSql(postgres.url, 'delete from attempts');
  beforeEach(forgetAttempts);

  test('know you, whichever of them answers', async () => {
    const cookie = await logIn(server.url);
    expect(await askEach(server.url, cookie)).toEqual([200, 200]);
  });

  test('all forget you when you log out at one of them', async () => {
    const cookie = await logIn(server.url);
    expect(await send('POST', `${server.url}/api/logout`, { cookie })).toBe(204);
    expect(await askEach(server.url, cookie)).toEqual([401, 401]);
  });

  test('lose by kill -9 of one only the requests in flight on it; another takes its place', async () => {
    const [victim = 0, survivor = 0] = await processIds(server.url);
    const load = await startLoad(server.url, cookies);
    const killed = performance.now();
    process.kill(victim, 'SIGKILL');
    await server.printed(({ stderr }) => stderr.includes(`Process ${victim} ended (SIGKILL)`));
    const noticed = performance.now();
    const after = await processIds(server.url);
    const back = performance.now();
    await load.stop(1000);
    expect(after).toContain(survivor);
    expect(after).not.toContain(victim);
    const failed = load.sent.filter(({ outcome }) => outcome !== 200);
    figures(load, { noticed: noticed - killed, back: back - killed });
    expect(
      failed.filter(({ begun }) => begun > noticed),
      'failed, and was not in flight',
    ).toEqual([]);
    // One connection may be on its way to the server. Nobody closes it, so its request ends when its client gives up.
    const hanging = failed.filter(({ outcome }) => outcome !== 'ECONNRESET');
    expect(hanging.length, 'requests that got no answer').toBeLessThanOrEqual(1);
    expect(failed.length, 'failed requests').toBeLessThanOrEqual(load.clients);
    await expectAllLoggedIn(server.url, cookies);
  });

  test('are replaced by a rolling deploy, and no request fails', async () => {
    const before = await processIds(server.url);
    const load = await startLoad(server.url, cookies);
    const took = await deploy(server);
    await load.stop();
    const after = await processIds(server.url);
    figures(load, { took });
    expect(before.filter((id) => after.includes(id))).toEqual([]);
    expect(load.outcomes).toEqual([200]);
    await expectAllLoggedIn(server.url, cookies);
  });

  test('answer 503 while PostgreSQL is away; none ends, and no session is lost', async () => {
    const before = await processIds(server.url);
    const [early = '', late = ''] = await Promise.all([logIn(server.url), logIn(server.url)]);
    const uploads = await Promise.all([early, late].map((it) => beginUpload(server.url, it)));
    const load = await startLoad(server.url, cookies);
    await postgres.stop();
    for (const path of ['/api/me', '/api/login']) await load.until(path, 503);
    await load.until('/', 200);
    await uploads[0]?.finish().catch(() => {}); // cannot save its session
    await startPostgresAgain();
    await forgetAttempts();
    for (const path of ['/api/me', '/api/login']) await load.until(path, 200);
    expect(await uploads[1]?.finish(), 'an upload that began before').toBe(204);
    await load.stop();
    figures(load);
    expect(load.outcomes).toEqual([200, 503]);
    expect(new Set(await processIds(server.url))).toEqual(new Set(before));
    await expectAllLoggedIn(server.url, cookies);
    for (const cookie of [early, late]) expect(await me(server.url, cookie)).toBe(200);
    const { session } = await inspect(server.url, late);
    expect(session).toHaveProperty('flash', 'Your upload of 6 bytes is complete.');
  });

  test('say at /health that they live, and at /ready that they cannot work, while PostgreSQL is away', async () => {
    const checks = async () => [await get('/health'), await get('/ready')];
    expect(await checks()).toEqual([200, 200]);
    await postgres.stop();
    expect(await checks()).toEqual([200, 503]);
    await startPostgresAgain();
    await expect.poll(checks, patience).toEqual([200, 200]);
  });

  test('answer 503 while PostgreSQL has no connections left, and work again when it has', async () => {
    const before = await processIds(server.url);
    const load = await startLoad(server.url, cookies);
    const others: Client[] = [];
    onTestFinished(async () => {
      await Promise.all(others.map((client) => client.end()));
    });
    const take = async () => {
      for (;;) {
        const client = new Client(postgres.url);
        client.on('error', () => {});
        try {
          await client.connect();
        } catch (error) {
          expect(error).toHaveProperty('message', 'sorry, too many clients already');
          break;
        }
        others.push(client);
      }
      await others[0]?.query('delete from attempts');
      const own = others.map((client) => Reflect.get(client, 'processID'));
      const theirs = 'pid <> all ($1) and datname is not null';
      const end = `select pg_terminate_backend(pid) from pg_stat_activity where ${theirs}`;
      await others[0]?.query(end, [own]);
      return others.length;
    };
    await expect.poll(take, patience).toBe(connections);
    for (const path of ['/api/me', '/api/login']) await load.until(path, 503);
    await Promise.all(others.splice(0).map((client) => client.end()));
    await forgetAttempts();
    for (const path of ['/api/me', '/api/login']) await load.until(path, 200);
    await load.stop();
    figures(load);
    expect(load.outcomes).toEqual([200, 503]);
    expect(new Set(await processIds(server.url))).toEqual(new Set(before));
    await expectAllLoggedIn(server.url, cookies);
  });

  test('know a user every other time if one of two has another secret', async () => {
    const other = await start({ SESSION_SECRET: 'another secret', SERVERS: '1' });
    onTestFinished(async () => {
      await other.end('SIGKILL');
    });
    const cookie = await logIn(server.url);
    const inTurns = [server, other, server, other]; // as a load balancer does
    const statuses = [];
    for (const { url } of inTurns) statuses.push(await me(url, cookie));
    expect(statuses).toEqual([200, 401, 200, 401]);
  });

  test('stay as they are when a deploy fails: its server does not know the tables', async () => {
    const before = await processIds(server.url);
    const load = await startLoad(server.url, cookies);
    const printed = server.stderr.length;
    await withNewerTables(async () => {
      server.signal('SIGHUP');
      await server.printed(({ stderr }) => stderr.slice(printed).includes('continue'), 60_000);
    });
    await load.stop();
    expect(server.stderr.slice(printed)).toBe(
      `${tooNew}The new server did not start. The others continue as they are.\n`,
    );
    expect(load.outcomes).toEqual([200]);
    expect(new Set(await processIds(server.url))).toEqual(new Set(before));
  });

  test('do not start with tables that are too new: one sentence, and exit code 1', async () => {
    const { code, stderr } = await withNewerTables(() =>
      ServerProcess.fail(script, { DATABASE_URL: postgres.url }),
    );
    expect({ code, stderr }).toEqual({ code: 1, stderr: tooNew });
  });

  function start(more: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
    return ServerProcess.start(step, { DATABASE_URL: postgres.url, ...more }, { preload });
  }

  /** At the same address: the servers are to find it again. */
  async function startPostgresAgain(): Promise<void> {
    postgres = await startPostgres(folder, options, Number(new URL(postgres.url).port));
  }

  /** As if a newer version had been there. */
  async function withNewerTables<T>(work: () => Promise<T>): Promise<T> {
    const columns = 'name, batch, migration_time';
    const values = "'999-from-the-future', 9, now()";
    await runSql(postgres.url, `insert into knex_migrations (${columns}) values (${values})`);
    try {
      return await work();
    } finally {
      await runSql(postgres.url, "delete from knex_migrations where name like '999%'");
    }
  }

  function get(path: string, url = server.url): Promise<number> {
    return send('GET', url + path);
  }
});

describe('the first process of step 09 says in one sentence why it cannot start, and exits with 1:', () => {
  test.concurrent.each([
    [
      'no PostgreSQL answers; the password is not shown',
      { DATABASE_URL: 'postgres://app:s3cret@part@127.0.0.1:1/shop?password=s3cret' },
      /^Cannot open the database postgres:\/\/app@127\.0\.0\.1:1\/shop\S* \(.*ECONNREFUSED.*\)\. Check DATABASE_URL/,
    ],
    [
      'a DATABASE_URL of SQLite',
      { DATABASE_URL: 'file:here.sqlite3' },
      /^DATABASE_URL must name a PostgreSQL/,
    ],
    ['no servers', { SERVERS: '0' }, /^SERVERS must be a number of servers, from 1 to 64\.\n$/],
  ])('%s', async (_what, environment, message) => {
    const { code, stdout, stderr } = await ServerProcess.fail(script, environment);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n'), 'more than one line').toHaveLength(1);
    expect(stdout + stderr).not.toMatch(/s3cret|part/);
  });
});

test('control: two servers of step 02, started in the same way, do not share their sessions', async () => {
  const environment = { ...(await temporaryEnvironment()), STEP: '02-pruned-memory' };
  const two = await ServerProcess.startScript('tests/two-servers.ts', environment, { preload });
  onTestFinished(async () => {
    await two.end('SIGKILL');
  });
  const cookie = await logIn(two.url);
  expect((await askEach(two.url, cookie)).sort()).toEqual([200, 401]);
});

describe('a PostgreSQL of its own', { timeout: 120_000 }, () => {
  let steps: StepsCopy;

  beforeAll(async () => {
    steps = await StepsCopy.make();
    return steps.remove;
  }, 60_000);

  test('stops with its servers: at SIGTERM, what was sent is answered', async () => {
    const server = await steps.start();
    await new Browser(server.url).register(visitor);
    const load = await startLoad(server.url, [await logIn(server.url)]);
    const told = performance.now();
    const { code, stderr } = await server.end('SIGTERM');
    figures(load, { took: performance.now() - told });
    await load.stop();
    const before = load.sent.filter(({ begun }) => begun < told - 100);
    expect([...new Set(before.map(({ outcome }) => outcome))]).toEqual([200]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await steps.postmaster()).toBeUndefined();
  });

  test('ends within five seconds of a kill -9 of the first process, as the servers do; the next start finds the sessions', async () => {
    const server = await steps.start();
    const cookie = await logIn(server.url);
    const ids = [...(await processIds(server.url)), (await steps.postmaster()) ?? 0];
    expect(ids.filter(isRunning)).toEqual(ids);
    const killed = performance.now();
    process.kill(server.processId ?? 0, 'SIGKILL');
    await expect.poll(() => ids.filter(isRunning), { interval: 20, timeout: 5000 }).toEqual([]);
    figures({ sent: [] }, { allGone: performance.now() - killed });
    const next = await steps.start({ SERVERS: '1' });
    expect(await me(next.url, cookie)).toBe(200);
    await next.end('SIGTERM');
  });
});

/** @returns whether a process is running; one that has ended may still be listed, until its parent has noticed. */
function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
  } catch {
    return false;
  }
  const status = process.platform === 'linux' ? readFileSync(`/proc/${id}/stat`, 'utf8') : '';
  return !/\) Z /.test(status);
}

/** Enough for all servers here, and few enough to take them all. */
const connections = 40;

const options = ['-c', `max_connections=${connections}`];
