import { describe, expect, onTestFinished, test } from 'vitest';
import { DatabaseError } from '#database/errors.ts';
import { beginTransaction } from '#tests/locks.ts';
import { makePostgresDatabase } from '#tests/postgres.ts';
import { runSql, temporaryDatabase, temporaryEnvironment } from '#tests/temporary.ts';
import { connect, openDatabase } from './database.ts';

describe('the tables', () => {
  test('are created once, however many servers start at the same moment on an empty database', async () => {
    const { url, remove } = await makePostgresDatabase(false);
    onTestFinished(remove);
    const open = async () => {
      const knex = await openDatabase(url);
      onTestFinished(() => knex.destroy());
      return knex('sessions');
    };
    expect(await Promise.all([open(), open(), open()])).toEqual([[], [], []]);
  });

  test('are brought up to date even if a killed process has left its lock', async () => {
    const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
    await runSql(
      url,
      `alter table sessions drop column ends;
       delete from knex_migrations where name = '005-one-clock';
       update knex_migrations_lock set is_locked = 1`,
    );
    const knex = await openDatabase(url);
    onTestFinished(() => knex.destroy());
    expect(await knex.schema.hasColumn('sessions', 'ends')).toBe(true);
    expect(await knex('knex_migrations_lock').pluck('is_locked')).toEqual([0]);
  });

  test('are brought up to date even if that takes longer than PostgreSQL lets a transaction be idle', async () => {
    const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
    const other = await connect(url);
    onTestFinished(() => other.destroy());
    await other.raw(
      `alter table sessions drop column ends;
       delete from knex_migrations where name = '005-one-clock'`,
    );
    const reader = await beginTransaction(other);
    await reader('sessions'); // keeps a lock, for which the migration waits
    const opening = openDatabase(`${url}?options=-c%20idle_in_transaction_session_timeout%3D2000`);
    const idle = () =>
      other('pg_stat_activity')
        .where({ state: 'idle in transaction' })
        .whereRaw("datname = current_database() and clock_timestamp() - state_change > '3 s'");
    await expect.poll(idle).toHaveLength(2); // the reader, and what holds the lock for the migration
    await reader.rollback();
    await (await opening).destroy();
  });

  test('that are too new are refused, in one sentence', async () => {
    const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
    await runSql(url, "insert into knex_migrations (name) values ('006-of-tomorrow')");
    const opening = openDatabase(url);
    await expect(opening).rejects.toThrow(DatabaseError);
    await expect(opening).rejects.toThrow(
      'The tables are too new for this server: it does not know 006-of-tomorrow. Start a newer version.',
    );
  });
});

test.each([
  ['statement_timeout', '1s'], // less than a request waits
  ['idle_in_transaction_session_timeout', '5s'],
])('has PostgreSQL keep to a limit: %s is %s', async (timeout, value) => {
  const knex = await temporaryDatabase(openDatabase, 'postgresql');
  const { rows } = await knex.raw(`show ${timeout}`);
  expect(rows).toEqual([{ [timeout]: value }]);
});
