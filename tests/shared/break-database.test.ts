import express from 'express';
import request from 'supertest';
import { expect, test } from 'vitest';
import { createApp } from '#steps/03-knex-sqlite/app.ts';
import { breakButtons, breakDatabase, restoreDatabase } from '#steps/shared/break-database.ts';
import { answerErrors } from '#steps/shared/errors.ts';
import { loggedIn } from '#tests/login.ts';
import { temporaryEnvironment } from '#tests/temporary.ts';

test('the Break button renames the sessions table, and Restore brings it back with its rows', async () => {
  const { server, browser } = await loggedIn(createApp);
  const app = express().use(breakButtons(`file:${server.databaseFile}`), answerErrors);
  for (const time of ['once', 'twice']) {
    expect((await request(app).post('/database/break')).status, time).toBe(204);
    expect(await server.knex.schema.hasTable('sessions'), 'the table is still there').toBe(false);
  }
  for (const time of ['once', 'twice']) {
    expect((await request(app).post('/database/restore')).status, time).toBe(204);
    expect(await browser.whoAmI(), 'the sessions were not restored').toBe('ada');
  }
});

test('Restore replaces the table that a server made meanwhile', async () => {
  const { server, browser } = await loggedIn(createApp);
  const url = `file:${server.databaseFile}`;
  await server.restart({ meanwhile: () => breakDatabase(url) });
  expect(await browser.whoAmI()).toBeUndefined();
  await breakDatabase(url); // is broken already
  await restoreDatabase(url);
  expect(await browser.whoAmI(), 'the sessions were not restored').toBe('ada');
});

test.each(['/database/break', '/database/restore'])(
  '%s does not answer pages of other sites',
  async (path) => {
    const { DATABASE_URL } = await temporaryEnvironment();
    const app = express().use(breakButtons(DATABASE_URL), answerErrors);
    const { status } = await request(app).post(path).set('Origin', 'http://evil.example');
    expect(status, 'another site can break the database. Use ownPageOnly').toBe(403);
    expect((await request(app).get(path)).status, 'a link can break the database').toBe(404);
  },
);
