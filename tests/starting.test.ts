import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { connect } from '#database/open.ts';
import { createApp as createStep04 } from '#steps/04-minimal-payload/app.ts';
import { openDatabase } from '#steps/05-durable/database.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { ada, Browser } from './browser.ts';
import { loggedIn } from './login.ts';
import { step05 } from './step05.ts';
import { runSql, temporaryEnvironment } from './temporary.ts';

describe('the start of step 05', () => {
  test('three servers, at the same moment, on an empty database: all of them come up', async () => {
    const environment = await temporaryEnvironment();
    const servers = await Promise.all(
      [1, 2, 3].map(() => ServerProcess.start('05-durable', environment)),
    );
    onTestFinished(async () => {
      await Promise.all(servers.map((server) => server.end('SIGKILL')));
    });
    const [first, ...others] = servers.map(({ url }) => new Browser(url));
    await first?.register(ada);
    await first?.logIn(ada);
    for (const [index, other] of others.entries()) {
      other.plant(first?.cookie ?? '');
      expect(await other.whoAmI(), `server ${index + 2}`).toBe('ada');
    }
  });

  test('ten at once, in one process', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const opened = await Promise.all(Array.from({ length: 10 }, () => openDatabase(DATABASE_URL)));
    for (const knex of opened) {
      expect(await knex('sessions')).toEqual([]);
      await knex.destroy();
    }
  });

  test('after one that died while it made the tables: one line says what to do', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    await (await openDatabase(DATABASE_URL)).destroy();
    await runSql(DATABASE_URL, 'update knex_migrations_lock set is_locked = 1');
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const opening = openDatabase(DATABASE_URL);
    vi.setSystemTime(Date.now() + 11_000); // it would wait so long
    await expect(opening).rejects.toThrow(
      /^The database .* stayed locked for 10 seconds\. .* SET is_locked = 0;$/,
    );
    await runSql(DATABASE_URL, 'UPDATE knex_migrations_lock SET is_locked = 0;');
    await (await openDatabase(DATABASE_URL)).destroy();
  });

  test('while another program has locked the database: it waits, and then goes on', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const program = await connect(DATABASE_URL, (knex) => knex.raw('begin exclusive'));
    const opening = openDatabase(DATABASE_URL);
    expect(await Promise.race([opening, pause(600, 'it waits')])).toBe('it waits');
    await program.raw('commit');
    await program.destroy();
    const knex = await opening;
    expect(await knex('sessions')).toEqual([]);
    await knex.destroy();
  });

  test('on the sessions that step 04 made: the table is taken as it is, nobody is logged out', async () => {
    const { server, browser } = await loggedIn(createStep04);
    await server.stop();
    const knex = await openDatabase(`file:${server.databaseFile}`);
    expect(await knex('sessions').pluck('sid')).toEqual([browser.sessionId]);
    const indexes = await knex.raw('pragma index_list(sessions)');
    expect(indexes.map(({ name }: { name: string }) => name)).toContain('sessions_expired_index');
    await knex.destroy();
  });

  test.each([
    ['a folder that is missing', 'file:/no/folder/x.sqlite3'],
    ['another kind of file', 'file:package.json'],
  ])('on %s: one line, and exit code 1', async (_what, DATABASE_URL) => {
    const { code, stdout, stderr } = await ServerProcess.fail('05-durable', { DATABASE_URL });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^Cannot open the database .*\. Check DATABASE_URL: [^\n]*\n$/);
  });

  test('sets each connection up: WAL, NORMAL, and 250 ms of patience', async () => {
    const { server } = await loggedIn(step05);
    const transactions = [server.knex.transaction(), server.knex.transaction()]; // both connections
    for (const transaction of await Promise.all(transactions)) {
      const [journal] = await transaction.raw('pragma journal_mode');
      const [synchronous] = await transaction.raw('pragma synchronous');
      const [busy] = await transaction.raw('pragma busy_timeout');
      expect([journal, synchronous, busy]).toEqual([
        { journal_mode: 'wal' },
        { synchronous: 1 },
        { timeout: 250 },
      ]);
      await transaction.rollback();
    }
  });
});

test('an error of the database in step 05 names no session id', async () => {
  const { server, browser } = await loggedIn(step05);
  const { sessionId } = browser;
  const query = server.knex('sessions').where({ sid: sessionId }).select('nothing');
  const error = await query.catch((error) => error);
  expect(error.message).toMatch(/^select `nothing` .* `sid` = \? - SQLITE_ERROR: no such column/);
});

describe('steps 03 and 04', () => {
  test.each(['03-knex-sqlite', '04-minimal-payload'])(
    '%s: SQLite stays as it comes',
    async (step) => {
      const environment = await temporaryEnvironment();
      const server = await ServerProcess.start(step, environment);
      await server.end('SIGTERM');
      const knex = await connect(environment.DATABASE_URL, async () => {});
      expect(await knex.raw('pragma journal_mode')).toEqual([{ journal_mode: 'delete' }]);
      expect(await knex('knex_migrations').pluck('name')).toEqual(['001-create-users']);
      await knex.destroy();
    },
  );
});
