import { describe, expect, onTestFinished, test } from 'vitest';
import { HOUR } from '#tests/clock.ts';
import { runSql, temporaryEnvironment } from '#tests/temporary.ts';
import { connect, openDatabase } from './database.ts';

const cookie = { path: '/' };
const FOREVER = Date.parse('9999-12-31');
const NEVER = Number.POSITIVE_INFINITY; // it ends when it expires

describe('a PostgreSQL with the tables of an earlier step is upgraded', () => {
  test.each<[string, unknown, number]>([
    ['a time', 1e12, 1e12],
    ['too late for PostgreSQL', 1e300, FOREVER],
    ['too early for PostgreSQL', -1e300, 0],
    ['no time', 'soon', NEVER],
    ['null', null, NEVER],
    ['missing', undefined, NEVER],
  ])(
    'from step 09: a session whose end is %s is kept, and so is that end',
    async (_what, endsAt, ends) => {
      const knex = await upgrade(from09, JSON.stringify({ cookie, endsAt }));
      expect((await knex('sessions').pluck('ends')).map(Number)).toEqual([ends]);
    },
  );

  test('from step 07: nobody is logged out, and each session has its user and an end', async () => {
    const sess = JSON.stringify({ cookie, userId: 1, text: '\0\ud83d' });
    const knex = await upgrade(from07, sess);
    const [row] = await knex('sessions').select('user_id', 'ends', knex.raw('sess::text'));
    const session = JSON.parse(row.sess);
    expect(session).toMatchObject({ cookie, userId: 1, text: '\0\ud83d' });
    expect(row.user_id).toBe(1);
    expect(row.ends.getTime()).toBe(session.endsAt);
  });

  test.each(['null', '5', '"text"', '[]', '{}', '{"userId":1e20}', '{"userId":{"id":1}}'])(
    'from step 07: a row that holds %s is kept',
    async (sess) => {
      const knex = await upgrade(from07, sess);
      expect(await knex('sessions').pluck('user_id')).toEqual([null]);
    },
  );
});

const from09 = `
  alter table sessions drop column ends;
  delete from knex_migrations where name > '005'`;

const from07 = `
  alter table sessions drop column ends, drop column user_id, drop column seen;
  drop table attempts;
  delete from knex_migrations where name > '003'`;

/** A database with the tables of an earlier step, the user 1 and one session, as this step opens it. */
async function upgrade(downgrade: string, sess: string) {
  const { DATABASE_URL: url } = await temporaryEnvironment('postgresql');
  await runSql(url, downgrade);
  const before = await connect(url);
  await before('users').insert({ username: 'ada', password_hash: '' });
  await before('sessions').insert({ sid: 'a', sess, expired: new Date(Date.now() + HOUR) });
  await before.destroy();
  const knex = await openDatabase(url);
  onTestFinished(() => knex.destroy());
  return knex;
}
