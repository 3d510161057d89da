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

  test('works although two servers have each added a row to the lock of Knex', async () => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const first = await openDatabase(DATABASE_URL);
    await first('knex_migrations_lock').insert({ is_locked: 0 });
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

  test.each([
    ['another program keeps the file locked', 'begin exclusive'],
    [
      'a server died while it made the tables',
      'update knex_migrations_lock set is_locked = 1 where is_locked = 0',
    ],
  ])('gives up after ten seconds when %s, and says in one line what to do', async (_what, sql) => {
    const { DATABASE_URL } = await temporaryEnvironment();
    await (await openDatabase(DATABASE_URL)).destroy();
    const program = await connect(DATABASE_URL, (knex) => knex.raw(sql));
    onTestFinished(() => program.destroy());
    const opening = openDatabase(DATABASE_URL);
    moveDate(11_000);
    const outcome = await Promise.race([
      opening.then(String, (error) => error.message),
      pause(8000, 'it waits without end'),
    ]);
    expect(outcome).toMatch(
      /^The database stayed locked for 10 seconds\. [^\n]*SET is_locked = 0;$/,
    );
  });
});
