import { expect, test } from 'vitest';
import { HOUR, stopClock } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { createApp } from './app.ts';

test('forgets you after a restart', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  expect(await step.browser.whoAmI()).toBe('demo');
  await step.restart();
  expect(step.browser.cookie).toBeDefined();
  expect(await step.browser.whoAmI()).toBeUndefined();
});

test('keeps your account: only the session is lost, so you can log in again', async () => {
  const step = await start(createApp);
  await step.browser.register({ username: 'ada', password: 'correct horse' });
  await step.restart();
  await step.browser.logIn({ username: 'ada', password: 'correct horse' });
  expect(await step.browser.whoAmI()).toBe('ada');
});

test('keeps the whole user in the session, password hash and all', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  const { body } = await step.browser.get('/inspect');
  expect(body.session.user).toEqual({
    id: 1,
    username: 'demo',
    password_hash: expect.stringMatching(/^\$2b\$/),
  });
});

test('never deletes an expired session: the memory leaks', async () => {
  const clock = stopClock();
  const step = await start(createApp);
  await step.browser.logIn();
  await clock.advance(3 * 24 * HOUR);
  const { body } = await step.openBrowser().get('/inspect');
  expect(body.store.sessions).toBe(1);
});
