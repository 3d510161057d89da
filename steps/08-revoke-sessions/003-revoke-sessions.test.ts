import { createHash } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as step07 from '#steps/07-cheap-reads/app.ts';
import { openDatabase as openDatabase07 } from '#steps/07-cheap-reads/database.ts';
import { SessionStore as Store07 } from '#steps/07-cheap-reads/store.ts';
import { HOUR, moveDate } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { temporaryFolder } from '#tests/temporary.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { SessionStore } from './store.ts';
import { Users } from './users.ts';

const DAY = 24 * HOUR;
const cookie = { path: '/' };

describe('a database of step 07 is upgraded', () => {
  test('and nobody is logged out', async () => {
    const step = await startAfterUpgrade();
    expect(await step.browser.whoAmI()).toBe('demo');
  });

  test('and each session is in the list of its user', async () => {
    const step = await startAfterUpgrade();
    const { sessions } = (await step.browser.get('/api/sessions')).body;
    expect(sessions).toMatchObject([{ current: true, userAgent: 'unknown' }]);
  });

  test('and no session ends before its own end, and one that ends sooner in twelve hours', async () => {
    moveDate(0); // the clock stands still
    const sess = JSON.stringify({ cookie, userId: 1 });
    const knex = await upgrade([HOUR, DAY, 30 * DAY].map((lifetime) => ({ sess, lifetime })));
    const sessions: string[] = await knex('sessions').orderBy('expired').pluck('sess');
    const ends = sessions.map((sess) => JSON.parse(sess).endsAt - Date.now());
    expect(ends).toEqual([12 * HOUR, DAY, 30 * DAY]);
  });

  test('and every session is kept as it is', async () => {
    const session = { cookie, userId: 1, text: '\0\ud83d' };
    const knex = await upgrade([{ sess: JSON.stringify(session) }]);
    const [{ sid, sess, user_id }] = await knex('sessions');
    expect(sid).toBe(createHash('sha256').update('0').digest('base64url'));
    expect(JSON.parse(sess)).toMatchObject(session);
    expect(user_id).toBe(1);
  });

  test.each(['null', '5', '"text"', '{"cookie":', ''])(
    'and a row that holds no session, but %s, is left as it is',
    async (sess) => {
      const knex = await upgrade([{ sess }]);
      const [row] = await knex('sessions');
      expect([`${row.sess}`, row.user_id]).toEqual([sess, null]);
    },
  );

  test.each(['ada', 99, 1e20, -1, 1.5, [1], { id: 1 }, null, true])(
    'and a session of the user %j, who does not exist, belongs to nobody',
    async (userId) => {
      const knex = await upgrade([{ sess: JSON.stringify({ cookie, userId }) }]);
      expect(await knex('sessions').pluck('user_id')).toEqual([null]);
    },
  );
});

/** This step on a database of step 07, with a browser that logged in there. */
async function startAfterUpgrade() {
  const options = { openDatabase: openDatabase07, SessionStore: Store07 };
  const before = await start(step07.createApp, options);
  await before.browser.logIn();
  await before.stop();
  const databaseUrl = `file:${before.file}`;
  const step = await start(createApp, { openDatabase, SessionStore, Users, databaseUrl });
  step.browser.plant(before.browser.cookie ?? '');
  return step;
}

/** A database of step 07, with the user 1 and sessions whose ids are 0, 1, 2 and so on, as this step opens it. */
async function upgrade(rows: { sess: string; lifetime?: number }[]) {
  const url = `file:${await temporaryFolder()}/test.sqlite3`;
  const before = await openDatabase07(url);
  await before('users').insert({ username: 'ada', password_hash: '' });
  for (const [index, { sess, lifetime = HOUR }] of rows.entries()) {
    const expired = new Date(Date.now() + lifetime).toISOString();
    await before('sessions').insert({ sid: `${index}`, sess, expired });
  }
  await before.destroy();
  const knex = await openDatabase(url);
  onTestFinished(() => knex.destroy());
  return knex;
}
