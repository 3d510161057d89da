import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { send } from '#tests/requests.ts';
import { startServer } from '#tests/spawn.ts';
import { temporaryEnvironment } from '#tests/temporary.ts';
import { Browser } from '#tools/browser.ts';
import { movingClock, ServerProcess } from '#tools/server-process.ts';

// Real servers, in processes of their own.
const step = basename(import.meta.dirname);

test('two servers do not need each other: after kill -9 of one, the other still knows you', async () => {
  const database = await temporaryEnvironment('postgresql');
  const start = () => startServer(step, database);
  const [first, second] = await Promise.all([start(), start()]);
  const browser = await loggedIn(first);
  await first.end('SIGKILL');
  browser.moveTo(second.url);
  expect(await browser.whoAmI()).toBe('demo');
  expect((await browser.logIn()).status).toBe(200);
});

describe('a server that is told to stop, with DRAIN=600', () => {
  test('is no longer ready, but answers for 600 seconds, and then closes', async () => {
    const { server, browser } = await startDraining([movingClock]);
    expect(await send('GET', `${server.url}/health`)).toBe(200);
    const { status, headers } = await browser.get('/api/me');
    expect([status, headers.connection]).toEqual([200, 'close']);
    await server.advance(599_000);
    expect((await browser.logIn()).status).toBe(200);
    await server.advance(1000);
    expect(await server.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  });

  test('ends at once at a second signal', async () => {
    const { server } = await startDraining([]);
    expect(await server.end('SIGINT')).toMatchObject({ code: 1, signal: null });
  });

  async function startDraining(preload: string[]) {
    const server = await startServer(step, { DRAIN: '600' }, preload);
    const browser = await loggedIn(server);
    const isReady = () => send('GET', `${server.url}/ready`);
    expect(await isReady()).toBe(200);
    server.signal('SIGTERM');
    await expect.poll(isReady).toBe(503);
    return { server, browser };
  }
});

test.each([
  [
    'no PostgreSQL answers; the password is not shown',
    { DATABASE_URL: 'postgres://app:s3cret@part@127.0.0.1:1/shop?password=s3cret' },
    /^Cannot open the database postgres:\/\/app@127\.0\.0\.1:1\/shop\S* \(.*ECONNREFUSED.*\)\. Check DATABASE_URL.*\n$/,
  ],
  [
    'DATABASE_URL names an SQLite file',
    { DATABASE_URL: 'file:here.sqlite3' },
    /^DATABASE_URL must name a PostgreSQL.*\n$/,
  ],
  ['DRAIN is no number', { DRAIN: 'a minute' }, /^DRAIN must be a number of seconds.*\n$/],
])('a server says in one line why it cannot start: %s', async (_what, environment, message) => {
  const script = `steps/${step}/server.ts`;
  const { code, stdout, stderr } = await ServerProcess.fail(script, environment);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/s3cret|part/);
});

async function loggedIn(server: ServerProcess): Promise<Browser> {
  const browser = new Browser(server.url);
  expect((await browser.logIn()).status).toBe(200);
  return browser;
}
