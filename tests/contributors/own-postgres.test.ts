import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { Browser } from '#tools/browser.ts';
import { runScript } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { ProjectCopy } from './project-copy.ts';

const project = new ProjectCopy();
let browser: Browser;

beforeAll(async () => {
  const server = await start('08-hardened');
  browser = new Browser(server.url);
  await browser.logIn(demo);
  await server.end('SIGTERM');
});

describe('the PostgreSQL that step 9 has of its own, without DATABASE_URL', () => {
  test('npm run sessions 9 says what to do when there is none yet, and makes none', async () => {
    const { code, stderr } = await project.run('sessions', '9');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^09-many-servers has no database yet\. .*npm run step 9.*\n$/);
    expect(existsSync(join(project.folder, 'database/09-many-servers.postgresql'))).toBe(false);
  });

  test('npm run migrate makes the tables once, and says so', async () => {
    const first = await project.run('migrate');
    expect(first.stdout).toMatch(
      /^The tables in postgres:\/\/postgres@\S+ are up to date\. Applied 001-\S+, .*, 004-\S+\.\n$/,
    );
    const second = await project.run('migrate');
    expect(second.stdout).toMatch(/ are up to date\. There was nothing to do\.\n$/);
    expect([first.stderr, second.stderr]).toEqual(['', '']);
    expect(isRunning()).toBe(false);
  });

  test('npm run move 8 fills it', async () => {
    const { stdout, stderr } = await project.run('move', '8');
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^Moved 1 user and 1 live session\. \(database\/08-hardened\.sqlite3 → postgres:\/\/postgres@\S+, [\d.]+ s\)\n$/,
    );
    expect(isRunning()).toBe(false);
  });

  test('npm run sessions 9 starts it, shows its rows, and stops it', async () => {
    const { stdout, stderr } = await project.run('sessions', '9');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^1 session in database\/09-many-servers\.postgresql\n/);
    expect(stdout).toMatch(
      /\nexpired {2}\d{4}-\d\d-\d\dT[\d:.]+Z\nsess\n {2}\{\n {4}"cookie": \{\n/,
    );
    expect(stdout).toContain('"userId": 1');
    expect(stdout).not.toContain('<--');
    expect(isRunning()).toBe(false);
  });

  test('npm run sessions 9 reads the one that a server is using, and leaves it running', async () => {
    const server = await start('09-many-servers');
    try {
      const { stdout } = await project.run('sessions', '9');
      expect(stdout).toMatch(/^1 session in /);
      browser.moveTo(server.url);
      expect(await browser.whoAmI()).toBe('demo');
    } finally {
      await server.end('SIGTERM');
    }
  });
});

describe.each(['migrate', 'sessions', 'move'])('npm run %s, with a DATABASE_URL', (command) => {
  const words = { migrate: [], sessions: ['9'], move: ['8'] }[command] ?? [];

  test('that is not the address of a PostgreSQL, says so in one line', async () => {
    const { code, stdout, stderr } = await run('file:/tmp/no.sqlite3');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^DATABASE_URL must name a PostgreSQL: [^\n]+\n$/);
  });

  test('where nothing answers, says so in one line, without the password', async () => {
    const { code, stdout, stderr } = await run('postgres://app:wordpass@127.0.0.1:1/app');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^Cannot open the database postgres:\/\/app@127\.0\.0\.1:1\/app [^\n]+\n$/,
    );
    expect(stderr).not.toContain('wordpass');
  });

  function run(DATABASE_URL: string) {
    const options = { cwd: project.folder, env: { DATABASE_URL } };
    return runScript(`tools/${command}.ts`, words, options);
  }
});

/** Starts the server of a step in the copy, with the database that it has there. */
function start(step: string): Promise<ServerProcess> {
  return ServerProcess.startScript(join(project.folder, `steps/${step}/server.ts`), {});
}

function isRunning(): boolean {
  const folder = join(project.folder, 'database/09-many-servers.postgresql');
  return existsSync(join(folder, 'data/postmaster.pid'));
}
