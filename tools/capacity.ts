import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { SessionData } from 'express-session';
import * as step08 from '#steps/08-revoke-sessions/store.ts';
import * as step09 from '#steps/09-refuse-strangers/database.ts';
import { openDatabase } from '#steps/10-many-servers/database.ts';
import { startPostgres } from '#steps/10-many-servers/postgres.ts';
import { SessionStore } from '#steps/10-many-servers/store.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { resultOf } from '#steps/shared/store-contents.ts';
import { Browser } from './browser.ts';
import { command, UsageError } from './command.ts';
import { isPostgres } from './databases.ts';
import { rate, send } from './rate.ts';
import { ServerProcess } from './server-process.ts';
import { table } from './table.ts';
import { makeTemporaryFolder } from './temporary.ts';

const AT_ONCE = 10;
const BATCH = 500; // rows that one statement inserts
const EXPIRED = 1000; // sessions to prune
const DAY = 24 * 60 * 60 * 1000; // in milliseconds
const usage = 'Type npm run capacity, or npm run capacity -- --sessions 10000000 --seconds 5.';

// npm run capacity: how much space sessions take in the databases of steps 9 and 10, and how fast these are.
await command(async () => {
  const sessions = { type: 'string', default: '100000,1000000' } as const;
  const seconds = { type: 'string', default: '5' } as const;
  const { values } = parseArgs({ options: { sessions, seconds } });
  const sizes = values.sessions.split(',').map(Number);
  const duration = Number(values.seconds) * 1000;
  if (![...sizes, duration].every((number) => number >= 1)) throw new UsageError(usage);
  const { path, remove } = await makeTemporaryFolder();
  const rows: string[][] = [];
  for (const size of sizes) {
    const url = `file:${join(path, `${size}.sqlite3`)}`;
    const sqlite = new step08.SessionStore({ knex: await step09.openDatabase(url) });
    const postgres = await startPostgres(join(path, `${size}`));
    const postgresql = new SessionStore({ knex: await openDatabase(postgres.url) });
    const measured = [
      await measure('09-refuse-strangers', url, sqlite, size, duration),
      await measure('10-many-servers', postgres.url, postgresql, size, duration),
    ];
    await postgres.stop();
    for (const numbers of measured) {
      const cells = numbers.map((number) => Math.round(number).toLocaleString('en'));
      rows.push([rows.length % 2 === 0 ? 'SQLite' : 'PostgreSQL', ...cells]);
    }
  }
  await remove();
  const titles = [
    'sessions',
    'sessions a GB',
    'gets',
    'gets and sets',
    'requests',
    'logins',
    'prune 1,000 (ms)',
  ];
  console.log(
    `${table([['database', ...titles], ...rows])}\n\nGets to logins are per second, ${AT_ONCE} at once.`,
  );
}, usage);

/** @returns the numbers of a row of the table. */
async function measure(
  step: string,
  url: string,
  store: step08.SessionStore,
  sessions: number,
  duration: number,
): Promise<number[]> {
  const server = await ServerProcess.start(step, { DATABASE_URL: url });
  const browser = new Browser(server.url);
  await browser.logIn(demo);
  await fill(store, sessions, DAY);
  const bytes = await sizeOf(store);
  await fill(store, EXPIRED, -DAY);
  const begun = performance.now();
  await store.prune();
  const pruning = performance.now() - begun;
  const get = (sid: string) => resultOf<SessionData | null>((done) => store.get(sid, done));
  const getAndSet = async (sid: string) => {
    const session = await get(sid);
    if (!session) throw new Error(`There is no session ${sid}.`);
    await resultOf<void>((done) => store.set(sid, session, done));
  };
  const logIn = async () => {
    const { status } = await new Browser(server.url).logIn(demo);
    if (status !== 200) throw new Error(`A login got a ${status}.`);
  };
  const request = () => send(`${server.url}/api/me`, { headers: { cookie: browser.cookie } });
  const sid = () => `${randomInt(sessions)}`;
  const numbers = [
    sessions,
    (sessions * 1e9) / bytes,
    await rate(() => get(sid()), AT_ONCE, duration),
    await rate(() => getAndSet(sid()), AT_ONCE, duration),
    await rate(request, AT_ONCE, duration),
    await rate(logIn, AT_ONCE, duration),
    pruning,
  ];
  await server.end('SIGTERM');
  await store.close();
  await store.knex.destroy();
  return numbers;
}

/** Copies a session that is there, under the ids 0, 1, 2 and so on, or for expired ones -1, -2 and so on. */
async function fill(store: step08.SessionStore, sessions: number, maxAge: number): Promise<void> {
  const [row] = await store.knex('sessions').limit(1);
  const copy = { ...row, user_id: null, expired: store.at(Date.now() + maxAge) };
  for (let next = 0; next < sessions; next += BATCH) {
    const length = Math.min(BATCH, sessions - next);
    const ids = Array.from({ length }, (_, index) =>
      store.storedId(`${maxAge < 0 ? -1 - next - index : next + index}`),
    );
    await store.knex('sessions').insert(ids.map((sid) => ({ ...copy, sid })));
  }
}

/** @returns the size of the table with its indexes, in bytes. */
async function sizeOf({ knex }: step08.SessionStore): Promise<number> {
  if (isPostgres(knex)) {
    const { rows } = await knex.raw("select pg_total_relation_size('sessions') as bytes");
    return Number(rows[0].bytes);
  }
  const [{ bytes }] = await knex.raw(
    'select page_count * page_size as bytes from pragma_page_count, pragma_page_size',
  );
  return bytes;
}
