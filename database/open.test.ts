import { writeFile } from 'node:fs/promises';
import type { Knex } from 'knex';
import { describe, expect, test } from 'vitest';
import { temporaryEnvironment, temporaryFolder } from '#tests/temporary.ts';
import { ada } from '#tools/browser.ts';
import { connect, DatabaseError, openDatabase, readDatabase } from './open.ts';
import { Users } from './users.ts';

describe('a database', () => {
  test('keeps its rows when it is opened again', async () => {
    const file = `${await temporaryFolder()}/with a space.sqlite3`;
    const first = await openDatabase(`file:${file}`);
    await new Users(first, { bcryptCost: 4 }).add(ada);
    await first.destroy();
    const second = await openDatabase(`file:${file}`);
    expect(await new Users(second).names()).toEqual(['ada']);
    await second.destroy();
  });

  test('that is opened for reading only refuses to write', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    await (await openDatabase(DATABASE_URL)).destroy();
    const knex = await readDatabase(DATABASE_URL);
    const write = knex('users').insert({ username: 'ada', password_hash: '' });
    const outcome = await write.catch(String);
    expect(outcome).toMatch(/readonly/);
    await knex.destroy();
  });
});

describe('a database that cannot be opened', () => {
  test('is reported in a sentence that names it and says what to do', async () => {
    const folder = await temporaryFolder();
    await writeFile(`${folder}/text`, 'not a database '.repeat(100));
    for (const path of ['none/x.sqlite3', 'text', '']) {
      const url = `file:${folder}/${path}`;
      const error = await openDatabase(url).catch((error) => error);
      expect(error).toBeInstanceOf(DatabaseError);
      expect(error.message).toMatch(
        /^Cannot open the database .* \(SQLITE_.*\)\. Check DATABASE_URL/,
      );
      expect(error.message).toContain(url);
      expect(error.message).not.toMatch(/select|create|pragma/i);
    }
  });

  test.each(['mysql://localhost/x', 'shop.sqlite3', 'file:'])(
    'because %s names no file is reported with how to name one',
    async (url) => {
      await expect(openDatabase(url)).rejects.toThrow(/file:PATH/);
    },
  );

  test('leaves no connection open', async () => {
    let opened: Knex | undefined;
    const opening = connect('file::memory:', async (knex) => {
      opened = knex;
      await knex.raw('select nonsense');
    });
    await expect(opening).rejects.toThrow(DatabaseError);
    const outcome = await opened?.raw('select 1').catch(String);
    expect(outcome).toMatch(/Unable to acquire a connection/);
  });
});
