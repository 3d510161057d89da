import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import createKnex, { type Knex } from 'knex';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '#database/open.ts';
import * as createSessions from '#steps/05-failing-database/002-create-sessions.ts';
import { connect as connectPostgres } from '#steps/10-many-servers/database.ts';
import { parseText } from '#tools/docs/markdown.ts';
import { run, runScript } from '#tools/processes.ts';
import { root, stepNames } from '#tools/steps.ts';
import { expectTable } from '#tools/take/expect-table.ts';
import { filesOf } from '#tools/take/files.ts';
import { readTake } from '#tools/take/manifest.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { makePostgresDatabase } from '../postgres.ts';
import { temporaryFolder } from '../temporary.ts';
import { Application, install, link } from './applications/application.ts';
import { env } from './project-copy.ts';

const tsc = join(root, 'node_modules/typescript/bin/tsc');
const page = parseText('', await readFile(join(root, 'docs/your-application.md'), 'utf8'));

let installed: string;

beforeAll(async () => {
  const { path, remove } = await makeTemporaryFolder();
  installed = path;
  await install(path);
  return remove;
});

describe('docs/your-application.md takes home an application', () => {
  test.each([
    { section: 'CommonJS and Express 4', before: 'express-4' },
    { section: 'TypeScript and Express 5', before: 'typescript' },
    { section: 'With Passport', before: 'passport' },
    { section: 'From connect-pg-simple', before: 'connect-pg-simple', moved: 200, back: 401 },
    {
      section: 'From connect-session-knex 4',
      before: 'connect-session-knex-4',
      after: 'express-4',
      moved: 200,
      back: 200,
    },
  ])(
    '$section: users stay logged in after kill -9',
    async ({ section, before, after = before, moved = 401, back }) => {
      const shop = new Application(await temporaryFolder(), installed);
      const [make, ...migrate] = page.blocks.filter(
        (it) => it.section === section && it.language === 'sh',
      );
      await shop.type(make?.lines ?? []);
      await shop.use(`${before}/before`);
      if (before === 'connect-pg-simple') shop.databaseUrl = await emptyPostgres();
      await shop.start();
      await shop.logIn();
      await shop.kill();

      await shop.use(`${after}/after`);
      for (const { lines } of migrate) await shop.type(lines);
      if (before === 'typescript') await shop.type(['npx tsc']);
      await shop.start();
      expect(await shop.me(), 'a login from before').toBe(moved);
      await shop.logIn();
      await shop.kill();
      await shop.start();
      expect(await shop.me(), 'a login with the new store').toBe(200);
      if (before === 'passport') {
        expect(await shop.post('/logout')).toBe(204);
        expect(await shop.me(), 'after a logout').toBe(401);
      }
      if (after === 'express-4') expect(await shop.stop(), 'the exit code after SIGTERM').toBe(0);
      await shop.kill();

      if (!back) return;
      await shop.use(`${before}/before`);
      await shop.start();
      expect(await shop.me(), 'a login with the new store, after going back').toBe(back);
    },
  );
});

describe('npm run take', () => {
  test('copies each store, and each part of a step, with all that it imports: they compile strictly', async () => {
    const folder = await temporaryFolder();
    for (const step of stepNames) {
      const take = readTake(step);
      if (!take) continue;
      await copy(
        await filesOf({ step, code: take, name: 'index' }, take.columns),
        join(folder, step),
      );
      for (const [name, code] of Object.entries(take.parts)) {
        await copy(await filesOf({ step, code, name }, undefined), join(folder, name));
      }
    }
    expect(await readdir(folder)).toHaveLength(12);
    const config = JSON.parse(await readFile(join(root, 'tsconfig.json'), 'utf8'));
    const files = {
      'tsconfig.json': { ...config, include: ['.'] },
      'package.json': { type: 'module' },
    };
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(folder, file), JSON.stringify(content));
    }
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    const { stdout } = await run(process.execPath, [tsc, '-p', '.'], { cwd: folder });
    expect(stdout).toBe('');
  });

  test('keeps the comments, and says where the files are from and what they need', async () => {
    const folder = join(await temporaryFolder(), 'sessions');
    await run('npm', ['run', 'take', '10', folder, '--js']); // npm takes --js for its own --json
    const read = (file: string) => readFile(join(folder, file), 'utf8');
    const store = await read('07-cheap-reads/store.js');
    expect(store).toContain('// If the row of a loaded session is gone, its user has logged out');
    expect(store).toContain("from '../06-logout-wins/queue.js'");
    expect(await read('index.d.ts')).not.toContain(".ts'");
    const note = await read('README.md');
    expect(note).toMatch(/step 10-many-servers, commit [0-9a-f]{7,}/);
    expect(note).toMatch(/npm install .* knex@\S+ pg@\S+ /);
    expect(note).toMatch(/import \{ .*openStore.* \} from '.\/sessions\/index.js'/);
  });

  test('makes JavaScript with types, whose openStore checks the database first', async () => {
    const folder = await temporaryFolder();
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    await take('7', join(folder, 'sessions'), '--js');
    await take('9', 'http', join(folder, 'sessions')); // without --js: the folder has JavaScript
    expect(existsSync(join(folder, 'sessions/http.js'))).toBe(true);
    const { openStore } = await import(join(folder, 'sessions/index.js'));
    const knex = await emptyDatabase('file::memory:');
    await expect(openStore({ knex })).rejects.toThrow('There is no table called sessions. Run ');
    await expect(openStore(knex)).rejects.toThrow('Write openStore({ knex }), ');
    const wrong = `import { openStore } from './sessions/index.js';\nopenStore({ knex: 'x' });`;
    await writeFile(join(folder, 'wrong.mts'), wrong);
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--types', 'node'];
    const { stdout } = await run(process.execPath, [tsc, ...flags, 'wrong.mts'], { cwd: folder });
    expect(stdout).toMatch(
      /^wrong.mts\(2,13\): error TS2322: Type 'string' is not assignable [^\n]*\n$/,
    );
  });

  test('never overwrites a file that differs, unless it is forced to', async () => {
    const folder = join(await temporaryFolder(), 'sessions');
    await take('7', folder);
    expect(await take('7', folder)).toMatchObject({ code: 0 }); // nothing differs
    const store = join(folder, '07-cheap-reads/store.ts');
    await writeFile(store, 'mine');
    await rm(join(folder, 'index.ts'));
    const { code, stderr } = await take('7', folder);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Nothing was copied, .* differ: 07-cheap-reads\/store.ts\. .*\n$/);
    expect(await readFile(store, 'utf8')).toBe('mine');
    expect(existsSync(join(folder, 'index.ts'))).toBe(false);
    const { stdout } = await take('7', folder, '--force');
    expect(stdout).toMatch(/^Overwrote 07-cheap-reads\/store.ts\.\n/);
    expect(await readFile(store, 'utf8')).toContain('class SessionStore');
  });

  test('copies nothing into the project itself, where it would overwrite package.json', async () => {
    const shop = await temporaryFolder();
    await writeFile(join(shop, 'package.json'), '{ "name": "shop" }');
    const { code, stderr } = await take('7', shop, '--js', '--force');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `${shop} is a project. Give a folder in it: ${shop}/sessions.\n`,
    });
  });

  test('9 csrf copies one defence with its test, and so on: the tests pass there', async () => {
    const folder = await temporaryFolder();
    await link(['express', 'http-errors', 'helmet', 'supertest', 'vitest'], folder);
    const parts = {
      csrf: 'other-sites',
      cookie: 'cookie',
      headers: 'headers',
      http: 'http-limits',
    };
    for (const part of Object.keys(parts)) await take('9', part, join(folder, 'sessions'));
    const names = await readdir(join(folder, 'sessions'), { recursive: true });
    expect(names.filter((name) => name.endsWith('.ts')).length, 'each part is small').toBe(13);
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const { code, stdout } = await run(process.execPath, [vitest, 'run'], { cwd: folder, env });
    for (const name of Object.values(parts)) expect(stdout).toContain(`${name}.test.ts`);
    expect(code, stdout).toBe(0);
  });

  test.each([
    [
      ['4', '../x'],
      '04-minimal-payload has no store to take. These steps have one: 5, 6, 7, 8, 9, 10.',
    ],
    [['7'], 'Give a step and a folder: npm run take 7 ../shop/sessions, '],
    [['9', 'csrf'], 'Give a step and a folder: npm run take 7 ../shop/sessions, '],
    [['9', 'cors', '../x'], '09-refuse-strangers has no part "cors". It has csrf, '],
    [['7', 'sessions'], 'sessions is in this tutorial. Give a folder of your own project.'],
    [['7', '../no-such-project/sessions'], 'There is no folder '],
  ])('%j says in one line why it copies nothing', async (words, message) => {
    const { code, stdout, stderr } = await take(...words);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^.*\n$/);
    expect(stderr).toContain(message);
  });

  function take(...words: string[]) {
    return runScript('tools/take.ts', words);
  }

  async function copy(files: Map<string, string>, folder: string): Promise<void> {
    for (const [file, content] of files) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), content);
    }
  }
});

describe('openStore says in a sentence', () => {
  const columns = ['sid', 'sess', 'expired', 'user_id'];
  const create = (knex: Knex) => createSessions.up(knex);

  test.each<[string, (knex: Knex) => Promise<unknown>, RegExp]>([
    ['that there is no table', async () => {}, /no table called sessions\. Run the migrations/],
    ['that a migration is missing', create, /has no column user_id\. Run the migrations/],
    [
      'that the table belongs to the application',
      (knex) => knex.schema.createTable('sessions', (table) => table.increments('id')),
      /no column sid, sess, expired, user_id, so it belongs to something else\. Give the store /,
    ],
    [
      'that the table is that of connect-sqlite3',
      (knex) => knex.raw('create table sessions (sid primary key, expired, sess, user_id)'),
      /holds no dates\. connect-sqlite3 makes such tables\. Rename it/,
    ],
    [
      'that an index is missing',
      async (knex) => {
        await create(knex);
        await knex.raw('alter table sessions add column user_id integer');
        await knex.raw('drop index sessions_expired_index');
      },
      /no index.* CREATE INDEX sessions_by_expiry ON sessions \(expired\);$/,
    ],
  ])('%s', async (_what, prepare, message) => {
    const [sqlite, postgres] = [
      await emptyDatabase('file::memory:'),
      await emptyDatabase(await emptyPostgres()),
    ];
    for (const knex of message.source.includes('sqlite3') ? [sqlite] : [sqlite, postgres]) {
      await prepare(knex);
      const error = await expectTable(knex, columns).catch((error: Error) => error.message);
      expect(error).toMatch(message);
    }
  });

  test('nothing, when the store has a schema of its own beside a table of the same name', async () => {
    const connection = await emptyPostgres();
    const knex = createKnex({ client: 'pg', connection, searchPath: ['auth', 'public'] });
    onTestFinished(() => knex.destroy());
    await knex.raw('create table public.sessions (film text); create schema auth');
    await create(knex);
    await expectTable(knex, ['sid', 'sess', 'expired']);
    expect((await knex.raw('select sid from auth.sessions')).rows).toEqual([]);
  });
});

async function emptyDatabase(url: string): Promise<Knex> {
  const open = url.startsWith('file:') ? connect(url, async () => {}) : connectPostgres(url);
  const knex = await open;
  onTestFinished(() => knex.destroy());
  return knex;
}

/** @returns the URL of a PostgreSQL database without tables. */
async function emptyPostgres(): Promise<string> {
  const { url, remove } = await makePostgresDatabase(false);
  onTestFinished(remove);
  return url;
}
