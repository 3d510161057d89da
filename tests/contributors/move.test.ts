import type { Knex } from 'knex';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { openDatabase as openStep07 } from '#steps/07-cheap-reads/database.ts';
import { openDatabase as openStep08 } from '#steps/08-hardened/database.ts';
import { openDatabase as openStep09 } from '#steps/09-many-servers/database.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { ada, Browser } from '#tools/browser.ts';
import { makeDatabase } from '#tools/databases.ts';
import { ChildProcess, runScript } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { fastBcrypt, startServer } from '../spawn.ts';
import { runSql, temporaryEnvironment } from '../temporary.ts';

const FROM = '08-hardened';
const TO = '09-many-servers';
const HOUR = 60 * 60 * 1000; // in milliseconds
const grace = { username: 'grace', password: 'nanoseconds' };

let postgres: string;
let source: string; // an SQLite file, new in each test
let target: string; // a database in PostgreSQL, new in each test

beforeAll(async () => {
  const { url, remove } = await makeDatabase(TO);
  postgres = url;
  return remove;
});

beforeEach(async () => {
  source = (await temporaryEnvironment()).DATABASE_URL;
  const name = `moved_${Date.now()}`;
  await runSql(postgres, `create database ${name}`);
  target = Object.assign(new URL(postgres), { pathname: name }).href;
});

describe('npm run move', () => {
  test('logs nobody out: users who are logged in on step 8 are logged in on step 9, with the same cookie', async () => {
    const before = await startServer(FROM, { DATABASE_URL: source });
    const [adas, graces] = [new Browser(before.url), new Browser(before.url)];
    for (const [browser, user] of [
      [adas, ada],
      [graces, grace],
    ] as const) {
      await browser.register(user);
      await browser.logIn(user);
    }
    const devices = (await adas.get('/api/sessions')).body;
    expect(devices.sessions).toHaveLength(1);
    await before.end('SIGTERM');
    expect(await move()).toMatch(/^Moved 3 users and 2 live sessions\. /);

    const after = await startStep09();
    for (const browser of [adas, graces]) browser.moveTo(after.url);
    expect([await adas.whoAmI(), await graces.whoAmI()]).toEqual(['ada', 'grace']);
    expect((await adas.get('/api/sessions')).body).toEqual({
      sessions: [{ ...devices.sessions[0], lastSeenAt: expect.any(String) }],
    });
    await adas.logOut();
    expect([await adas.whoAmI(), await graces.whoAmI()]).toEqual([undefined, 'grace']);
    expect((await adas.logIn(ada)).status).toBe(200);
  });

  test('keeps ids, and gives none a second time, not even that of a user who is deleted', async () => {
    await fill(source, { users: 3, sessions: 5 });
    await runSql(source, 'delete from users where id = 3');
    await move();
    const knex = await open(target);
    expect(await knex('users').orderBy('id').pluck('id')).toEqual([1, 2]);
    expect(await new Users(knex, { bcryptCost: 4 }).add(ada)).toMatchObject({ id: 4 });
  });

  test('keeps when a session expires, when it ends at last, and when its user was last seen', async () => {
    await fill(source, { users: 1, sessions: 1 });
    await move();
    const [before] = await (await open(source))('sessions');
    const [after] = await (await open(target))('sessions');
    const { sess, expired, seen, ends, sid } = after;
    expect({ sid, sess }).toEqual({ sid: before.sid, sess: JSON.parse(before.sess) });
    expect([expired, seen, ends].map(Number)).toEqual([
      Date.parse(before.expired),
      Date.parse(before.seen),
      sess.endsAt,
    ]);
  });

  test('leaves behind a session that has expired, and a row that holds no session', async () => {
    await fill(source, { users: 1, sessions: 3 });
    const [expired, broken] = [sidOf(1), sidOf(2)];
    await runSql(source, `update sessions set expired = '2000-01-01' where sid = '${expired}'`);
    await runSql(source, `update sessions set sess = '{"cookie":' where sid = '${broken}'`);
    expect(await move()).toMatch(/^Moved 1 user and 1 live session\. /);
    const knex = await open(target);
    expect(await knex('sessions').pluck('sid')).toEqual([sidOf(3)]);
    expect(await knex('devices').pluck('sid')).toEqual([sidOf(3)]);
  });

  test('only reads the file that it moves from', async () => {
    await fill(source, { users: 2, sessions: 5 });
    const before = await contentOf(source);
    await move();
    expect(await contentOf(source)).toEqual(before);
  });

  test('killed in the middle and repeated, loses nothing and doubles nothing', async () => {
    await fill(source, { users: 100, sessions: 2500 });
    const knex = await open(target);
    const blocker = await knex.transaction();
    await blocker.raw('lock table devices in access exclusive mode'); // sessions are written by then
    const words = ['--import', 'tsx/esm', 'tools/move.ts', source];
    const killed = new ChildProcess(process.execPath, words, environment());
    await untilLocked(knex);
    await killed.end('SIGKILL');
    await blocker.rollback();
    expect(await countIn(target), 'after the kill').toEqual({ users: 0, sessions: 0, devices: 0 });

    expect(await move()).toMatch(/^Moved 100 users and 2,500 live sessions\. /);
    expect(await contentOf(target)).toEqual(await contentOf(source));
    expect(await move()).toMatch(/^This file was moved before, so there was nothing to do\. /);
    expect(await contentOf(target)).toEqual(await contentOf(source));
  });

  test('repeated, brings back no session that has ended meanwhile, and no deleted user', async () => {
    await fill(source, { users: 2, sessions: 5 });
    await move();
    await runSql(target, `delete from sessions where sid = '${sidOf(1)}'`);
    await runSql(target, 'delete from users where id = 2');
    const before = await countIn(target);
    await move();
    expect(await countIn(target)).toEqual(before);
  });

  test('at the same moment as another move of the same file, moves it once', async () => {
    await fill(source, { users: 100, sessions: 2500 });
    const done = await Promise.all([move(), move()]);
    expect(done.sort().map((line) => line.split(' ')[0])).toEqual(['Moved', 'This']);
    expect(await contentOf(target)).toEqual(await contentOf(source));
  });

  test('replaces the demo account that a first start of step 9 made, sessions included', async () => {
    const first = await startStep09();
    const browser = new Browser(first.url);
    await browser.logIn(demo);
    await first.end('SIGTERM');
    await fill(source, { users: 2, sessions: 5 }); // so id 1 is another user
    expect(await move()).toMatch(/^Moved 2 users and 5 live sessions\. /);
    const second = await startStep09();
    browser.moveTo(second.url);
    expect(await browser.whoAmI()).toBeUndefined();
    expect((await browser.logIn(demo)).status).toBe(200);
  });

  test.each([
    ['another user', ada],
    ['a demo account with a password of its own', { ...demo, password: 'a new password' }],
  ])('changes nothing when PostgreSQL already has %s', async (_what, user) => {
    await fill(source, { users: 2, sessions: 5 });
    await new Users(await open(target), { bcryptCost: 4 }).add(user);
    const { code, stdout, stderr } = await run(source);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^Nothing was moved: the PostgreSQL has users of its own, [^\n]+\n$/);
    expect(await countIn(target)).toEqual({ users: 1, sessions: 0, devices: 0 });
  });

  test('asks for a start of step 8 when the tables are those of an earlier step', async () => {
    await (await openStep07(source)).destroy();
    const { code, stderr } = await run(source);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ has the tables of an earlier step\. .* npm run step 8\.\n$/);
    await (await openStep08(source)).destroy();
    expect(await move()).toMatch(/^Moved 0 users and 0 live sessions\. /);
  });

  test('refuses a file of another application, and does not touch it', async () => {
    await runSql(source, 'create table users (id integer primary key)');
    const { code, stderr } = await run(source);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ is not the file of a step\. For an application of your own, .*\n$/);
  });

  test.each([
    [[], /^Give one step or file to move from: npm run move 8, or npm run move file:PATH\.\n$/],
    [['1'], /^01-in-memory has no sessions in an SQLite file\. [^\n]+\n$/],
    [['file:/nowhere/at-all.sqlite3'], /^There is no \/nowhere\/at-all\.sqlite3, [^\n]+\n$/],
  ])('says of %j what to type instead', async (words, message) => {
    const { code, stderr } = await run(...words);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  test('moves 100,000 sessions a batch at a time, in little memory', async ({ annotate }) => {
    await fill(source, { users: 10_000, sessions: 100_000 });
    const NODE_OPTIONS = '--max-old-space-size=48'; // in megabytes
    const { stdout, stderr } = await runScript(
      'tools/move.ts',
      [source],
      environment({ NODE_OPTIONS }),
    );
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Moved 10,000 users and 100,000 live sessions\. /);
    await annotate(stdout);
    expect(await countIn(target)).toEqual({ users: 10_000, sessions: 100_000, devices: 100_000 });
  });
});

/** @returns what the command printed; it must succeed. */
async function move(): Promise<string> {
  const { stdout, stderr } = await run(source);
  expect(stderr).toBe('');
  return stdout;
}

function run(...words: string[]) {
  return runScript('tools/move.ts', words, environment());
}

function environment(more: NodeJS.ProcessEnv = {}) {
  return { env: { DATABASE_URL: target, ...more } };
}

async function startStep09(): Promise<ServerProcess> {
  const environment = { DATABASE_URL: target, SERVERS: '1' };
  const server = await ServerProcess.start(TO, environment, { preload: [fastBcrypt] });
  onTestFinished(async () => {
    await server.end('SIGTERM');
  });
  return server;
}

/** Opens a database until the test has finished. */
async function open(url: string): Promise<Knex> {
  const knex = url === target ? await openStep09(url) : await connect(url, async () => {});
  onTestFinished(() => knex.destroy());
  return knex;
}

/** Makes the tables of step 8, with sessions that belong to the users in turn. */
async function fill(url: string, { users, sessions }: { users: number; sessions: number }) {
  const numbers =
    'with recursive number(n) as (select 1 union all select n + 1 from number where n < ?)';
  const sid = "printf('%043d', n * 48271 % 2147483647)"; // see sidOf
  const sess = `json_object('cookie', json_object('originalMaxAge', null, 'expires', null, 'httpOnly', json('true'),
    'path', '/', 'sameSite', 'lax', 'secure', json('false')), 'userId', n % ? + 1, 'endsAt', ?)`;
  const [seen = '', expired = '', ends = ''] = [0, HOUR / 2, 12 * HOUR].map((later) =>
    new Date(Date.now() + later).toISOString(),
  );
  const knex = await openStep08(url);
  await knex.raw(
    `${numbers} insert into users (username, password_hash) select 'user' || n, printf('%060d', n) from number`,
    [users],
  );
  await knex.raw(
    `${numbers} insert into sessions (sid, sess, expired, seen) select ${sid}, ${sess}, ?, ? from number`,
    [sessions, users, Date.parse(ends), expired, seen],
  );
  await knex.raw(
    `${numbers} insert into devices (id, sid, user_id, user_agent, created_at)
      select printf('00000000-0000-4000-8000-%012d', n), ${sid}, n % ? + 1, 'a browser', ? from number`,
    [sessions, users, seen],
  );
  await knex.destroy();
}

/** @returns the id that the database stores for the nth session. */
function sidOf(n: number): string {
  return String((n * 48271) % 2147483647).padStart(43, '0');
}

/** @returns all rows, in a form that is the same for both kinds of database. */
async function contentOf(url: string) {
  const knex = await open(url);
  const time = (value: string | Date) => new Date(value).getTime();
  const sessions = await knex('sessions').select('sid', 'sess', 'expired', 'seen').orderBy('sid');
  const devices = await knex('devices').orderBy('id');
  return {
    users: await knex('users').orderBy('id'),
    sessions: sessions.map(({ sid, sess, expired, seen }) => ({
      sid,
      sess: typeof sess === 'string' ? JSON.parse(sess) : sess,
      times: [expired, seen].map(time),
    })),
    devices: devices.map((device) => ({ ...device, created_at: time(device.created_at) })),
  };
}

async function countIn(url: string) {
  const knex = await open(url);
  const count = async (table: string) => Number((await knex(table).count({ n: '*' }))[0]?.n);
  return {
    users: await count('users'),
    sessions: await count('sessions'),
    devices: await count('devices'),
  };
}

/** Waits until a query waits for a lock. */
async function untilLocked(knex: Knex): Promise<void> {
  const waiting = async () => (await knex('pg_locks').where({ granted: false })).length;
  await expect.poll(waiting, { interval: 10, timeout: 20_000 }).toBeGreaterThan(0);
}
