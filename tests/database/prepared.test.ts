import { expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '#database/open.ts';
import { prepareSelect } from '#database/prepared.ts';
import { joinDatabase } from '#steps/09-many-servers/database.ts';
import { temporaryDatabase, temporaryEnvironment } from '../temporary.ts';

test('a prepared select is prepared once for a connection', async () => {
  const { knex, select } = await openWithSelect();
  const connection = await knex.client.acquireConnection();
  const prepare = vi.spyOn(connection, 'prepare');
  await knex.client.releaseConnection(connection);
  await select([1]);
  await select([2]);
  expect(prepare, 'keep the statement of each connection').toHaveBeenCalledTimes(1);
});

test('a prepared select is prepared once for a connection to PostgreSQL', async () => {
  const knex = await temporaryDatabase(joinDatabase, 'postgresql');
  const select = prepareSelect(knex, 'select * from users where id = ?');
  await knex('users').insert({ username: 'ada', password_hash: 'a hash' });
  for (let time = 0; time < 2; time++) expect(await select([1])).toMatchObject({ id: 1 });
  const prepared = await knex('pg_prepared_statements').pluck('statement');
  expect(prepared, 'give the statement a name').toEqual(['select * from users where id = $1']);
});

test('a prepared select leaves the database unlocked for other writers', async () => {
  const { url, select } = await openWithSelect();
  const other = await openDatabase(url);
  onTestFinished(() => other.destroy());
  const user = { username: 'ada', password_hash: 'a hash' };
  await other('users').insert(user);
  expect(await select([1]), 'the first row').toEqual(expect.objectContaining(user));
  const changed = other('users').update({ username: 'lovelace' });
  await expect(changed, 'the statement is still open: use all, not get').resolves.toBe(1);
});

async function openWithSelect() {
  const { DATABASE_URL: url } = await temporaryEnvironment();
  const knex = await openDatabase(url);
  onTestFinished(() => knex.destroy());
  return { url, knex, select: prepareSelect(knex, 'select * from users where id = ?') };
}
