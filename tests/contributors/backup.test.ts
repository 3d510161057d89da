import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readDatabase } from '#database/open.ts';
import { openDatabase } from '#steps/07-cheap-reads/database.ts';
import { Browser, replay } from '#tools/browser.ts';
import { run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { startServer } from '../spawn.ts';
import { temporaryFolder } from '../temporary.ts';
import { DebianPostgres, withoutDebianPostgres } from './debian-postgres.ts';

/** The commands that the page prints about backups, one block after another. */
const page = await readFile(join(root, 'docs/operating.md'), 'utf8');
const [, section = ''] = /^## Backups$(.*?)^## /ms.exec(page) ?? [];
const blocks = [...section.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block);
const [backUpSqlite = '', restoreSqlite = '', backUpPostgres = '', restorePostgres = ''] = blocks;
const [endSqlite = '', endPostgres = ''] = blocks.slice(4);

test('a backup of SQLite, made under a running server, brings back the sessions of its time', async ({
  skip,
}) => {
  skip((await run('sqlite3', ['-version'])).code !== 0, 'needs sqlite3: apt-get install sqlite3');
  const folder = await temporaryFolder();
  const commands = [backUpSqlite, restoreSqlite, endSqlite];
  const url = `file:${join(folder, 'shop.sqlite3')}`;
  await expectToReturn('09-refuse-strangers', folder, url, commands);
  expect((await stat(join(folder, 'backup.sqlite3'))).mode & 0o777).toBe(0o600);
});

test('a backup of PostgreSQL brings back the sessions of its time', async ({ skip }) => {
  skip(withoutDebianPostgres !== '', withoutDebianPostgres);
  const { url } = await DebianPostgres.start();
  const commands = [backUpPostgres, restorePostgres, endPostgres];
  await expectToReturn('10-many-servers', await temporaryFolder(), url, commands);
});

test('VACUUM INTO and .backup back up a running database; a copy of its file lacks the last commits', async () => {
  const file = join(await temporaryFolder(), 'app.sqlite3');
  const knex = await openDatabase(`file:${file}`);
  onTestFinished(() => knex.destroy());
  await knex.raw('PRAGMA wal_checkpoint(TRUNCATE)'); // so the tables are in the file
  await knex('sessions').insert({ sid: 'a', sess: '{}', expired: '2100' });
  await copyFile(file, `${file}.copy`);
  await knex.raw('vacuum into ?', [`${file}.backup`]);
  expect(await sessionsIn(`${file}.copy`)).toEqual([]);
  expect(await sessionsIn(`${file}.backup`)).toEqual([{ sid: 'a' }]);
  const { code } = await run('sqlite3', [file, `.backup '${file}.online'`]);
  if (code !== null) expect(await sessionsIn(`${file}.online`)).toEqual([{ sid: 'a' }]);
});

/** Runs the commands of the page with the real server of a step, and looks who is logged in afterwards. */
async function expectToReturn(step: string, folder: string, url: string, commands: string[]) {
  const [backUp, restore, endAll] = commands;
  const start = () => startServer(step, { DATABASE_URL: url });
  let server = await start();
  const [stayed, victim] = [await logIn(), await logIn()];
  const stolen = victim.cookie;
  await sh(backUp);
  await victim.logOut();
  const late = await logIn();
  expect(await statuses()).toEqual({ stayed: 200, stolen: 401, late: 200 });
  await server.end('SIGKILL'); // so SQLite leaves its other files behind
  await sh(restore);
  server = await start();
  expect(await statuses()).toEqual({ stayed: 200, stolen: 200, late: 401 });
  await server.end('SIGTERM');
  await sh(endAll);
  server = await start();
  expect(await statuses()).toEqual({ stayed: 401, stolen: 401, late: 401 });
  await server.end('SIGTERM');

  async function logIn(): Promise<Browser> {
    const browser = new Browser(server.url);
    expect((await browser.logIn()).status).toBe(200);
    return browser;
  }

  async function statuses() {
    const ask = async (cookie = '') => (await replay(server.url, cookie)).status;
    const [one, two, three] = await Promise.all([stayed.cookie, stolen, late.cookie].map(ask));
    return { stayed: one, stolen: two, late: three };
  }

  async function sh(command = ''): Promise<void> {
    const env = { DATABASE_URL: url };
    const { code, stderr } = await run('bash', ['-ec', command], { cwd: folder, env });
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
  }
}

async function sessionsIn(file: string) {
  const knex = await readDatabase(`file:${file}`);
  onTestFinished(() => knex.destroy());
  return knex('sessions').select('sid');
}
