import type { Knex } from 'knex';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { Users } from '#database/users.ts';
import { openDatabase as openStep07 } from '#steps/07-cheap-reads/database.ts';
import { openDatabase as openStep09 } from '#steps/09-refuse-strangers/database.ts';
import { openDatabase as openStep10 } from '#steps/10-many-servers/database.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { ada, Browser } from '#tools/browser.ts';
import { connectTo } from '#tools/databases.ts';
import { ChildProcess, runScript } from '#tools/processes.ts';
import { HOUR } from '../clock.ts';
import { waitingQueries } from '../locks.ts';
import { makePostgresDatabase } from '../postgres.ts';
import { startServer } from '../spawn.ts';
import { runSql, temporaryEnvironment } from '../temporary.ts';

const SESSION = '{"cookie":{},"userId":1,"endsAt":ENDS}';

let source: string; // an SQLite file
let target: string; // a database in PostgreSQL

beforeEach(async () => {
  source = (await temporaryEnvironment()).DATABASE_URL;
  const { url, remove } = await makePostgresDatabase(false);
  onTestFinished(remove);
  target = url;
});

test('npm run move logs nobody out: who is logged in on step 9 is on step 10, with the same cookie', async () => {
  const before = await startServer('09-refuse-strangers', { DATABASE_URL: source });
  const browser = new Browser(before.url);
  await browser.register(ada);
  await browser.logIn(ada);
  const [listed] = (await browser.get('/api/sessions')).body.sessions;
  await before.end('SIGTERM');
  expect(await move()).toMatch(/^Moved 2 users and 1 live session\. /);
  browser.moveTo((await startStep10()).url);
  expect(await browser.whoAmI()).toBe('ada');
  const lastSeenAt = expect.any(String);
  expect((await browser.get('/api/sessions')).body.sessions).toEqual([{ ...listed, lastSeenAt }]);
  await browser.logOut();
  expect(await browser.whoAmI()).toBeUndefined();
});

test('keeps ids, and gives none a second time, not even that of a user who is deleted', async () => {
  await fill({ users: 3, sessions: 5 });
  await runSql(source, 'delete from users where id = 3');
  await move();
  const knex = await open(target);
  expect(await knex('users').orderBy('id').pluck('id')).toEqual([1, 2]);
  expect(await new Users(knex, { bcryptCost: 4 }).add(ada)).toMatchObject({ id: 4 });
});

test('keeps when a session expires, when it ends at last, and when its user was last seen', async () => {
  await fill({ users: 1, sessions: 1 });
  await move();
  const [before] = await (await open(source))('sessions');
  const [{ ends, ...after }] = await (await open(target))('sessions');
  expect(after).toEqual({
    ...before,
    sess: JSON.parse(before.sess),
    expired: new Date(before.expired),
    seen: new Date(before.seen),
  });
  expect(ends).toEqual(new Date(after.sess.endsAt));
});

test('moves any text and any end; leaves behind what has expired, and what is no session', async () => {
  const odd = ['"soon"', '1e300', '-1e300', 'null', String.raw`1,"text":"\u0000\ud83d"`, '[1]'];
  const moved = odd.map((end) => SESSION.replace('ENDS', end));
  await fill({ users: 1, sessions: odd.length + 2 });
  const knex = await open(source);
  for (const [index, sess] of [...moved, '{"cookie":'].entries()) {
    await knex('sessions')
      .where('sid', sidOf(index + 1))
      .update({ sess });
  }
  await knex('sessions')
    .where('sid', sidOf(odd.length + 2))
    .update({ expired: '2000-01-01' });
  expect(await move()).toMatch(/^Moved 1 user and 6 live sessions\. /);
  const after = await open(target);
  const rows = await after('sessions').select(after.raw('sess::text')).orderBy('sid');
  expect(rows.map(({ sess }) => sess)).toEqual(moved);
});

test('killed in the middle and repeated, loses nothing and doubles nothing', async () => {
  await fill({ users: 100, sessions: 2500 });
  const knex = await open(target);
  const blocker = await knex.transaction();
  await blocker.raw('lock table sessions in access exclusive mode'); // users are written by then
  const killed = new ChildProcess(
    process.execPath,
    ['--import', 'tsx/esm', 'tools/move.ts', source],
    { env: { DATABASE_URL: target } },
  );
  await expect.poll(() => waitingQueries(knex)).toBeGreaterThan(0);
  await killed.end('SIGKILL');
  await blocker.rollback();
  expect(await countIn(target), 'after the kill').toEqual({ users: 0, sessions: 0 });
  expect(await move()).toMatch(/^Moved 100 users and 2,500 live sessions\. /);
  expect(await countIn(target)).toEqual({ users: 100, sessions: 2500 });
});

test('at the same moment as another move of the same file, moves it once', async () => {
  await fill({ users: 2, sessions: 5 });
  const done = await Promise.all([run(source), run(source)]);
  expect(done.map(({ code }) => code).sort()).toEqual([0, 1]);
  expect(await countIn(target)).toEqual({ users: 2, sessions: 5 });
});

test('replaces the demo account that a first start of step 10 made, sessions included', async () => {
  const first = await startStep10();
  const browser = new Browser(first.url);
  await browser.logIn(demo);
  await first.end('SIGTERM');
  await fill({ users: 2, sessions: 5 }); // so id 1 is another user
  expect(await move()).toMatch(/^Moved 2 users and 5 live sessions\. /);
  browser.moveTo((await startStep10()).url);
  expect(await browser.whoAmI()).toBeUndefined();
  expect((await browser.logIn(demo)).status).toBe(200);
});

test.each<[string, () => Promise<unknown>]>([
  ['another user', () => add(target, ada)],
  ['a demo account with a password of its own', () => add(target, { ...demo, password: 'other' })],
  ['what was moved before, and has ended since', endWhatWasMoved],
  ['a demo account that was moved before', () => add(source, demo).then(move)],
])('changes nothing when PostgreSQL already has %s', async (_what, prepare) => {
  await fill({ users: 2, sessions: 5 });
  await prepare();
  const before = await countIn(target);
  const { code, stdout, stderr } = await run(source);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^Nothing was moved: the PostgreSQL has users of its own\. [^\n]+\n$/);
  expect(await countIn(target)).toEqual(before);
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  [
    'an earlier step',
    async () => (await openStep07(source)).destroy(),
    / does not have the tables of step 9\. .* npm run step 9\. [^\n]+\n$/,
  ],
  [
    'another application',
    () => runSql(source, 'create table users (id integer primary key)'),
    / For an application of your own, adapt tools\/move\.ts\.\n$/,
  ],
  ['nobody', async () => {}, /^There is no .+\.sqlite3, so there is nothing to move\.\n$/],
])('says what to do about a file of %s', async (_whose, prepare, message) => {
  await prepare();
  const { code, stderr } = await run(source);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
});

test('moves 100,000 sessions a batch at a time, in little memory', async () => {
  await fill({ users: 10_000, sessions: 100_000 });
  const NODE_OPTIONS = '--max-old-space-size=48'; // in megabytes
  const env = { DATABASE_URL: target, NODE_OPTIONS };
  const { stdout } = await runScript('tools/move.ts', [source], { env });
  expect(stdout).toMatch(/^Moved 10,000 users and 100,000 live sessions\. /);
});

/** @returns what the command printed; it must succeed. */
async function move(): Promise<string> {
  const { stdout, stderr } = await run(source);
  expect(stderr).toBe('');
  return stdout;
}

function run(...words: string[]) {
  return runScript('tools/move.ts', words, { env: { DATABASE_URL: target } });
}

function startStep10() {
  return startServer('10-many-servers', { DATABASE_URL: target });
}

async function endWhatWasMoved(): Promise<void> {
  await move();
  await runSql(target, `delete from sessions where sid = '${sidOf(1)}'`);
}

async function add(url: string, user: typeof demo): Promise<void> {
  await new Users(await open(url), { bcryptCost: 4 }).add(user);
}

/** Opens a database, with its tables, until the test has finished. */
async function open(url: string): Promise<Knex> {
  if (url === target) await (await openStep10(url)).destroy();
  const knex = await connectTo(url); // a transaction may be idle for as long as a test needs
  onTestFinished(() => knex.destroy());
  return knex;
}

/** Makes the tables of step 9, with sessions that belong to the users in turn. */
async function fill({ users, sessions }: { users: number; sessions: number }): Promise<void> {
  const numbers =
    'with recursive number(n) as (select 1 union all select n + 1 from number where n < ?)';
  const [seen = '', expired = '', ends = ''] = [0, HOUR / 2, 12 * HOUR].map((later) =>
    new Date(Date.now() + later).toISOString(),
  );
  const knex = await openStep09(source);
  await knex.raw(
    `${numbers} insert into users (username, password_hash) select 'user' || n, printf('%060d', n) from number`,
    [users],
  );
  await knex.raw(
    `${numbers} insert into sessions (sid, sess, expired, seen, user_id)
      select printf('%043d', n), ?, ?, ?, n % ? + 1 from number`,
    [sessions, SESSION.replace('ENDS', `${Date.parse(ends)}`), expired, seen, users],
  );
  await knex.destroy();
}

/** @returns the id that the database stores for the nth session. */
function sidOf(n: number): string {
  return String(n).padStart(43, '0');
}

async function countIn(url: string) {
  const knex = await open(url);
  const count = async (table: string) => Number((await knex(table).count({ n: '*' }))[0]?.n);
  return { users: await count('users'), sessions: await count('sessions') };
}
