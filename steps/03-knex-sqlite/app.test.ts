import { rm } from 'node:fs/promises';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { HOUR, stopClock } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { createApp } from './app.ts';

test('still knows you after a restart', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  await step.restart();
  expect(await step.browser.whoAmI()).toBe('demo');
  await step.restart();
  expect(await step.browser.whoAmI()).toBe('demo');
});

test('still knows that you logged out', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  await step.browser.logOut();
  await step.restart();
  expect(await step.browser.whoAmI()).toBeUndefined();
});

describe('controls: the same restart forgets you when', () => {
  test('the secret has changed', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    await step.restart({ secret: 'a secret made anew at each start' });
    expect(await step.browser.whoAmI()).toBeUndefined();
  });

  test('the database file was deleted', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    await step.stop();
    await rm(step.file);
    await step.start();
    expect(await step.browser.whoAmI()).toBeUndefined();
  });

  test('the database is only in memory', async () => {
    const step = await start(createApp, { databaseUrl: 'file::memory:' });
    await step.browser.logIn();
    await step.restart();
    expect(await step.browser.whoAmI()).toBeUndefined();
  });
});

describe('a session is a row', () => {
  test('in the table and the column that the options name, under the id in the cookie', async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    const rows = await step.parts.knex('sessions').select('*');
    const { sessionId: sid } = step.browser;
    expect(rows).toEqual([{ sid, sess: expect.any(String), expired: expect.any(String) }]);
  });

  test("that holds the user's name and password hash, which are not needed there", async () => {
    const step = await start(createApp);
    await step.browser.logIn();
    const [sess] = await step.parts.knex('sessions').pluck('sess');
    expect(JSON.parse(sess).user).toEqual(await step.parts.users.find('demo'));
  });

  test('that is deleted within the hour after it has expired, and not before', async () => {
    const clock = stopClock();
    const step = await start(createApp);
    const rows = () => step.parts.knex('sessions').pluck('sid');
    await step.browser.logIn();
    for (let hour = 1; hour <= 24; hour++) {
      await clock.advance(HOUR);
      expect(await rows()).toHaveLength(1);
    }
    await clock.advance(HOUR / 2);
    expect(await rows()).toHaveLength(1);
    await clock.advance(HOUR / 2);
    expect(await rows()).toHaveLength(0);
  });
});

describe('the option names of versions 1 to 4, which many snippets still use', () => {
  test('are silently ignored', async () => {
    const { parts, browser } = await start(createApp);
    await browser.logIn();
    const old = {
      tablename: 'logins',
      sidfieldname: 'id',
      createtable: false,
      clearInterval: 1000,
    };
    const options = { knex: parts.knex, cleanupInterval: 0, ...old };
    const store = new ConnectSessionKnexStore(options);
    await store.ready;
    expect(store.options).toMatchObject({ tableName: 'sessions', sidFieldName: 'sid' });
    expect(store.options).toMatchObject({ createTable: true, cleanupInterval: 0 });
    expect(await parts.knex.schema.hasTable('logins')).toBe(false);
  });

  // npm run check compiles this file: it fails if one of these names is an option.
  test('are refused by TypeScript', () => {
    type Options = ConstructorParameters<typeof ConnectSessionKnexStore>[0];
    expectTypeOf<Options>().toHaveProperty('tableName');
    expectTypeOf<Options>().not.toHaveProperty('tablename');
    expectTypeOf<Options>().not.toHaveProperty('sidfieldname');
    expectTypeOf<Options>().not.toHaveProperty('createtable');
    expectTypeOf<Options>().not.toHaveProperty('clearInterval');
  });
});
