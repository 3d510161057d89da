import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Browser } from '#tools/browser.ts';
import { isAlive, run } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { ProjectCopy } from './project-copy.ts';

// The PostgreSQL that step 10 has of its own, without DATABASE_URL. Each test continues where the one before has ended.
const step = '10-many-servers';
const project = new ProjectCopy();
let browser: Browser;

beforeAll(async () => {
  const server = await start('09-refuse-strangers');
  browser = new Browser(server.url);
  await browser.logIn();
  await server.end('SIGTERM');
});

test('npm run sessions 10 says what to do when there is none yet, and makes none', async () => {
  const { code, stderr } = await project.run('sessions', '10');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^10-many-servers has no database yet\. .*npm run step 10.*\n$/);
  expect(existsSync(folder())).toBe(false);
});

test('npm run migrate makes the tables once, and says so', async () => {
  const upToDate = /^The tables in postgres:\/\/postgres@\S+ are up to date\. (.+)\n$/;
  const first = upToDate.exec((await project.run('migrate')).stdout)?.[1];
  const second = upToDate.exec((await project.run('migrate')).stdout)?.[1];
  expect(first).toMatch(/^Applied 001-\S+, .*, 005-\S+\.$/);
  expect(second).toBe('There was nothing to do.');
  expect(isRunning()).toBe(false);
});

test('npm run move 9 fills it', async () => {
  const { stdout } = await project.run('move', '9');
  expect(stdout).toMatch(
    /^Moved 1 user and 1 live session\. \(database\/09-refuse-strangers\.sqlite3 → postgres:\/\/postgres@\S+, [\d.]+ s\)\n$/,
  );
  expect(isRunning()).toBe(false);
});

test('npm run sessions 10 starts it, shows its rows, and stops it', async () => {
  const { stdout } = await project.run('sessions', '10');
  expect(stdout).toMatch(/^1 session in database\/10-many-servers\.postgresql\n/);
  expect(stdout).toMatch(/\nexpired {2}\d{4}-\d\d-\d\dT[\d:.]+Z\nsess\n {2}\{\n {4}"cookie": \{\n/);
  expect(stdout).toContain('"userId": 1');
  expect(stdout).not.toContain('<--');
  expect(isRunning()).toBe(false);
});

test('two servers that start at once share it; it stops with the last of them', async () => {
  const [first, second] = await Promise.all([start(step), start(step)]);
  await expectLoggedIn(first);
  await expectLoggedIn(second);
  expect((await project.run('sessions', '10')).stdout).toMatch(/^1 session in /);
  await first.end('SIGTERM');
  await expectLoggedIn(second);
  expect(await second.end('SIGTERM')).toMatchObject({ code: 0, stderr: '' });
  expect(isRunning()).toBe(false);
});

test('it outlives kill -9 of the server that started it, and stops after that of the last', async () => {
  const first = await start(step);
  const second = await start(step);
  const id = await postmasterId();
  await first.end('SIGKILL');
  await expectLoggedIn(second);
  const third = await start(step);
  expect(await postmasterId(), 'not the same PostgreSQL').toBe(id);
  await Promise.all([second.end('SIGKILL'), third.end('SIGKILL')]);
  await expect.poll(() => isAlive(id)).toBe(false);
  const next = await start(step);
  await expectLoggedIn(next);
  await next.end('SIGTERM');
});

test('it stops if its guardian is killed, and the next server starts it again', async () => {
  const first = await start(step);
  const id = await postmasterId();
  const guardian = (await run('pgrep', ['-f', `guardian\\.js ${folder()}/`])).stdout;
  process.kill(Number(guardian), 'SIGKILL');
  await expect.poll(() => isAlive(id)).toBe(false);
  const second = await start(step);
  await expectLoggedIn(second);
  await Promise.all([first.end('SIGTERM'), second.end('SIGTERM')]);
  expect(isRunning()).toBe(false);
});

/** Starts the server of a step in the copy, with the database that it has there. */
function start(step: string): Promise<ServerProcess> {
  return ServerProcess.startScript(join(project.folder, `steps/${step}/server.ts`), {});
}

async function expectLoggedIn(server: ServerProcess): Promise<void> {
  browser.moveTo(server.url);
  expect(await browser.whoAmI()).toBe('demo');
}

function folder(): string {
  return join(project.folder, `database/${step}.postgresql`);
}

function isRunning(): boolean {
  return existsSync(join(folder(), 'data/postmaster.pid'));
}

/** @returns the id of PostgreSQL's first process. */
async function postmasterId(): Promise<number> {
  return Number((await readFile(join(folder(), 'data/postmaster.pid'), 'utf8')).split('\n')[0]);
}
