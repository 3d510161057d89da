import express from 'express';
import request from 'supertest';
import { expect, test } from 'vitest';
import { createApp } from '#steps/03-knex-sqlite/app.ts';
import { start } from '#tests/step.ts';
import { temporaryDatabase } from '#tests/temporary.ts';
import { breakButtons, breakDatabase, restoreDatabase } from './break-database.ts';
import { answerErrors } from './errors.ts';

test('the Break button renames the sessions table, and Restore brings it back with its rows', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  const app = express().use(breakButtons(step.parts.knex), answerErrors);
  for (const time of ['once', 'twice']) {
    expect((await request(app).post('/database/break')).status, time).toBe(204);
    expect(await step.parts.knex.schema.hasTable('sessions')).toBe(false);
  }
  for (const time of ['once', 'twice']) {
    expect((await request(app).post('/database/restore')).status, time).toBe(204);
    expect(await step.browser.whoAmI()).toBe('demo');
  }
});

test('Restore replaces the table that a server made meanwhile', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  await breakDatabase(step.parts.knex);
  await step.restart();
  expect(await step.browser.whoAmI()).toBeUndefined();
  await breakDatabase(step.parts.knex); // is broken already
  await restoreDatabase(step.parts.knex);
  expect(await step.browser.whoAmI()).toBe('demo');
});

test.each(['/database/break', '/database/restore'])(
  '%s does not answer pages of other sites',
  async (path) => {
    const app = express().use(breakButtons(await temporaryDatabase()), answerErrors);
    const { status } = await request(app).post(path).set('Origin', 'http://evil.example');
    expect(status).toBe(403);
    expect((await request(app).get(path)).status).toBe(404);
  },
);
