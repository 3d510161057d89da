import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { HOUR, stopClock } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { createApp } from './app.ts';

test('still forgets you after a restart: pruned memory is still memory', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  expect(await step.browser.whoAmI()).toBe('demo');
  await step.restart();
  expect(await step.browser.whoAmI()).toBeUndefined();
});

test('deletes expired sessions within the hour, even if nobody asks for them', async () => {
  const clock = stopClock();
  const step = await start(createApp);
  const sessions = async () => (await step.openBrowser().get('/inspect')).body.store.sessions;
  await step.browser.logIn();
  await clock.advance(24 * HOUR - 60_000);
  expect(await sessions()).toBe(1);
  await clock.advance(HOUR + 2 * 60_000);
  expect(await sessions()).toBe(0);
});

test('never holds more than 10,000 sessions: one more, and another one goes', async () => {
  const step = await start(createApp);
  await step.browser.logIn();
  expect(await step.browser.whoAmI()).toBe('demo');
  const store = step.store;
  const session = await promisify(store.get.bind(store))(step.browser.sessionId);
  if (!session) throw new Error('The login stored no session.');
  for (let i = 1; i < 10_000; i++) store.set(`visitor ${i}`, session);
  expect(await step.browser.whoAmI()).toBe('demo');
  store.set('one more', session); // the first visitor goes, because demo was active a moment ago
  expect(await step.browser.whoAmI()).toBe('demo');
  for (let i = 1; i <= 10_000; i++) store.set(`newcomer ${i}`, session);
  expect(await step.browser.whoAmI()).toBeUndefined();
});
