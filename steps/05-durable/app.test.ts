import type { SessionData } from 'express-session';
import { describe, expect, test } from 'vitest';
import { ada } from '#tests/browser.ts';
import { describeKept } from '#tests/kept.ts';
import { describeLogin, loggedIn, silenceErrorLog } from '#tests/login.ts';
import type { CreateApp } from '#tests/running-step.ts';
import { describeStore } from '#tests/store-contract.ts';
import { emptyDatabase, onKnex } from '#tests/store-on-knex.ts';
import { createApp as createDurableApp } from './app.ts';
import { openDatabase } from './database.ts';
import { DurableStore } from './store.ts';

const createApp: CreateApp = ({ knex, ...parts }) =>
  createDurableApp({ ...parts, store: new DurableStore({ knex }) });
const step = { createApp, openDatabase };

describeLogin(step);

describe('when the database fails', () => {
  test('lets no method of the store reject: nobody would look, and Node would end the process', async () => {
    const { knex, remove } = await emptyDatabase(openDatabase);
    const store = new DurableStore({ knex });
    await store.prune();
    await knex.schema.renameTable('sessions', 'away');
    const data: SessionData = JSON.parse('{"cookie":{}}');
    const methods: Record<string, () => Promise<unknown>> = {
      get: () => store.get('id', () => {}),
      set: () => store.set('id', data, () => {}),
      touch: () => store.touch('id', data, () => {}),
      destroy: () => store.destroy('id', () => {}),
    };
    for (const [name, call] of Object.entries(methods)) {
      const outcome = await call().then(
        () => 'fulfilled',
        () => 'rejected',
      );
      const advice = `${name}: tell of the error by the callback alone: chapter 5, The code`;
      expect(outcome, advice).toBe('fulfilled');
    }
    await store.close();
    await knex.destroy();
    await remove();
  });

  test('answers 503 to who is logged in, and knows them when it is back', async () => {
    const { server, browser } = await loggedIn(step);
    silenceErrorLog();
    await server.knex.schema.renameTable('sessions', 'away');
    const answer = await browser.get('/api/me');
    const advice = 'turn the error of the store into a StoreError: chapter 5, The code';
    expect([answer.status, answer.headers['retry-after']], advice).toEqual([503, '1']);
    await server.knex.schema.renameTable('away', 'sessions');
    expect(await browser.whoAmI(), 'the session is lost').toBe('ada');
  });

  test('answers 503 to a login that it cannot save, and sets no cookie', async () => {
    const { server } = await loggedIn(step);
    silenceErrorLog();
    await server.knex.schema.renameTable('sessions', 'away');
    const answer = await server.browser().logIn(ada);
    expect(answer.status).toBe(503);
    expect(answer.headers['set-cookie'], 'a cookie for no session').toBeUndefined();
  });

  test('answers 503 when it is the user that cannot be read', async () => {
    const { server, browser } = await loggedIn(step);
    silenceErrorLog();
    await server.knex.schema.renameTable('users', 'away');
    expect((await browser.get('/api/me')).status).toBe(503);
    expect((await browser.get('/')).status, 'the page, which needs no database').toBe(200);
  });

  test('takes a row that cannot be read for no session, and lets its user log in again', async () => {
    const { server, browser } = await loggedIn(step);
    silenceErrorLog();
    await server.knex('sessions').update({ sess: '{"cookie":' });
    expect(
      await browser.whoAmI(),
      'what is no session counts as none: chapter 5, The code',
    ).toBeUndefined();
    expect((await browser.logIn(ada)).status).toBe(200);
    expect(await browser.whoAmI()).toBe('ada');
  });
});

describeStore('DurableStore', async () => {
  const { knex, remove } = await emptyDatabase(openDatabase);
  const store = new DurableStore({ knex });
  await store.prune(); // the first pruning is over
  return onKnex(store, knex, async () => {
    await store.close();
    await remove();
  });
});

describeKept(step);
