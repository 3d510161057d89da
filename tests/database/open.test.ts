import { writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import type { Knex } from 'knex';
import { describe, expect, test } from 'vitest';
import { connect, DatabaseError, openDatabase, readDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { temporaryEnvironment, temporaryFolder } from '#tests/temporary.ts';
import { ada } from '#tools/browser.ts';

describe('a database', () => {
  test('keeps its rows when it is opened again, by a path or by a URL', async () => {
    const file = `${await temporaryFolder()}/with a space.sqlite3`;
    const first = await openDatabase(`file:${file}`);
    await new Users(first, { bcryptCost: 4 }).add(ada);
    await first.destroy();
    const second = await openDatabase(pathToFileURL(file).href);
    expect(await new Users(second).names(), 'the URL names another file').toEqual(['ada']);
    await second.destroy();
  });

  test('that is opened for reading only refuses to write', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    await (await openDatabase(DATABASE_URL)).destroy();
    const knex = await readDatabase(DATABASE_URL);
    const write = knex('users').insert({ username: 'ada', password_hash: '' });
    const outcome = await write.catch(String);
    expect(outcome, 'a reader wrote').toMatch(/readonly/);
    await knex.destroy();
  });
});

describe('a database that cannot be opened', () => {
  test('is reported in a sentence that names it and says what to do', async () => {
    const folder = await temporaryFolder();
    await writeFile(`${folder}/text`, 'not a database '.repeat(100));
    for (const url of [`file:${folder}/none/x.sqlite3`, `file:${folder}/text`, `file:${folder}`]) {
      const error = await openDatabase(url).catch((error) => error);
      expect(error).toBeInstanceOf(DatabaseError);
      expect(error.message).toMatch(
        /^Cannot open the database .* \(SQLITE_.*\)\. Check DATABASE_URL/,
      );
      expect(error.message).toContain(url);
      expect(error.message, 'SQL in a sentence for people').not.toMatch(/select|create|pragma/i);
    }
  });

  test('because its kind is unknown is reported with the kinds that are known', async () => {
    await expect(openDatabase('mysql://localhost/x')).rejects.toThrow(/file:PATH/);
  });

  test('leaves no connection open', async () => {
    let opened: Knex | undefined;
    const opening = connect('file::memory:', async (knex) => {
      opened = knex;
      await knex.raw('select nonsense');
    });
    await expect(opening).rejects.toThrow(DatabaseError);
    const outcome = await opened?.raw('select 1').catch(String);
    expect(outcome, 'the connection is still open').toMatch(/Unable to acquire a connection/);
  });
});
