import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '#database/open.ts';
import { openDatabase } from '#steps/05-failing-database/database.ts';
import { moveDate } from './clock.ts';
import { temporaryEnvironment } from './temporary.ts';

describe('opening a database', () => {
  test('works for ten servers at the same moment, on an empty database', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const opened = await Promise.all(Array.from({ length: 10 }, () => openDatabase(DATABASE_URL)));
    for (const knex of opened) {
      expect(await knex('sessions')).toEqual([]);
      await knex.destroy();
    }
  });

  test.each([
    [
      'two servers have each added a row to the lock of Knex',
      'insert into knex_migrations_lock (is_locked) values (0)',
    ],
    [
      'a server died while it held the lock of Knex',
      'update knex_migrations_lock set is_locked = 1',
    ],
  ])('works although %s', async (_what, sql) => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const first = await openDatabase(DATABASE_URL);
    await first.raw(sql);
    await first.destroy();
    const knex = await openDatabase(DATABASE_URL);
    expect(await knex('sessions')).toEqual([]);
    await knex.destroy();
  });

  test('waits while another program has locked the file', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const program = await connect(DATABASE_URL, (knex) => knex.raw('begin exclusive'));
    const opening = openDatabase(DATABASE_URL);
    const outcome = await Promise.race([opening.catch(String), pause(1500, 'it waits')]);
    expect(outcome).toBe('it waits');
    await program.raw('commit');
    await program.destroy();
    const knex = await opening;
    expect(await knex('sessions')).toEqual([]);
    await knex.destroy();
  });

  test('gives up after ten seconds when another program keeps the file locked, and says in one line what to do', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const program = await connect(DATABASE_URL, (knex) => knex.raw('begin exclusive'));
    onTestFinished(() => program.destroy());
    const opening = openDatabase(DATABASE_URL).then(String, (error) => error.message);
    moveDate(11_000);
    const outcome = await Promise.race([opening, pause(60_000, 'it waits without end')]);
    expect(outcome).toMatch(/^The database stayed locked for 10 seconds: [^\n]*stop it\.$/);
  });
});
