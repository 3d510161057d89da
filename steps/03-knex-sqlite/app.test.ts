import { join } from 'node:path';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readDatabase } from '#database/open.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { findUserData } from '#steps/shared/user-data.ts';
import { compile } from '#tests/compiler.ts';
import { describeLogin, loggedIn } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import { temporaryEnvironment } from '#tests/temporary.ts';
import { Browser } from '#tools/browser.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { createApp } from './app.ts';

test('sessions are in the database that createApp is given', async () => {
  const { server } = await loggedIn(createApp);
  const advice =
    'no sessions table. Give session() a ConnectSessionKnexStore, and give that the knex of createApp: chapter 3, The code';
  expect(await server.knex.schema.hasTable('sessions'), advice).toBe(true);
});

describeLogin(createApp);
describePersistence(createApp);

describe('a session row', () => {
  test('is stored in the table and the column that the options name, under the id in the cookie', async () => {
    const { server, browser } = await loggedIn(createApp);
    const where = 'Set tableName to sessions and sidFieldName to sid: chapter 3, The code';
    expect(await server.knex.schema.hasTable('sessions'), `no table sessions. ${where}`).toBe(true);
    const rows = await server.knex('sessions');
    expect(rows, 'rows of one login').toHaveLength(1);
    expect(Object.keys(rows[0]).sort(), where).toEqual(['expired', 'sess', 'sid']);
    expect(rows[0].sid, 'the id in the row is not the one in the cookie').toBe(browser.sessionId);
    expect(Date.parse(rows[0].expired), 'the row has expired').toBeGreaterThan(Date.now());
  });

  test('is stored in the database that server.ts opens', async () => {
    const environment = await temporaryEnvironment();
    const folder = import.meta.dirname;
    const server = await ServerProcess.startScript(join(folder, 'server.ts'), environment, {
      cwd: folder, // where a store that is given no knex opens a file
    });
    onTestFinished(async () => {
      await server.end('SIGKILL');
    });
    await new Browser(server.url).logIn(demo);
    const knex = await readDatabase(environment.DATABASE_URL);
    const hasTable = await knex.schema.hasTable('sessions');
    await knex.destroy();
    expect(hasTable, 'server.ts does not pass its knex to createApp: chapter 3, The code').toBe(
      true,
    );
  });

  test("holds the user's name and password hash, which are not needed there", async () => {
    const { server } = await loggedIn(createApp);
    const row = await server.knex('sessions').first();
    const found = findUserData(JSON.parse(row.sess));
    const why = 'the whole user belongs in this session, as in steps 1 and 2: step 4 fixes that';
    expect(found, why).toEqual([
      { what: 'user id', path: ['user', 'id'] },
      { what: 'user name', path: ['user', 'username'] },
      { what: 'password hash', path: ['user', 'password_hash'] },
    ]);
    const ada = await server.users.find('ada');
    expect(row.sess).toContain(ada?.password_hash);
  });
});

describe('the option names of versions 1 to 4, which many snippets still use', () => {
  const old = { tablename: 'logins', sidfieldname: 'id', createtable: false, clearInterval: 1000 };

  test('are each rejected by the compiler', async () => {
    const create = (options: string) => `new ConnectSessionKnexStore({ ${options} });`;
    const printed = await compile([
      "import { ConnectSessionKnexStore } from 'connect-session-knex';",
      create("tableName: 'logins', sidFieldName: 'id', createTable: true, cleanupInterval: 1000"),
      ...Object.entries(old).map(([name, value]) => create(`${name}: ${JSON.stringify(value)}`)),
    ]);
    const errors = printed.split('\n').filter((line) => line.includes('error'));
    expect(errors, 'one error for each old name, and none for the current names').toHaveLength(4);
    for (const name of Object.keys(old))
      expect(printed).toContain(`'${name}' does not exist in type`);
  });

  test('are silently ignored at run time', async () => {
    const { server } = await loggedIn(createApp);
    const options = { knex: server.knex, cleanupInterval: 0, ...old };
    const store = new ConnectSessionKnexStore(options);
    await store.ready;
    expect(store.options).toMatchObject({ tableName: 'sessions', sidFieldName: 'sid' });
    expect(store.options).toMatchObject({ createTable: true });
    expect(
      await server.knex.schema.hasTable('logins'),
      'the old option tablename had an effect',
    ).toBe(false);
  });
});
