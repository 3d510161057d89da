import { describe, expect, onTestFinished, test } from 'vitest';
import { isPostgres } from '#database/clock.ts';
import { readStep } from '#steps/shared/step.ts';
import { stepFolder } from '#tools/steps.ts';
import { sessionRoutes } from '../session-routes.ts';
import { openStoreOf, stepsWithStore } from '../store-of-step.ts';
import { environmentOf } from '../temporary.ts';

const logout = (step: string) => readStep(stepFolder(step)).outcomes['logout during a request'];
const ordered = stepsWithStore.filter((step) => logout(step) === 'stays out');
const unordered = stepsWithStore.filter((step) => logout(step) === 'comes back');

describe.each(ordered)('the store of %s', (step) => {
  test('500 logins that redirect without waiting for the save: each is known at once', async () => {
    const { post, me } = await routesOf(step);
    let unknown = 0;
    for (let round = 0; round < 500; round++) {
      const { cookie } = await post('/login'); // the save may still be running
      if ((await me(cookie)) !== 200) unknown += 1;
    }
    expect(unknown, 'logins that were followed by a 401').toBe(0);
  });

  test('500 logouts that redirect without waiting for the store: each takes effect at once', async () => {
    const { post, me } = await routesOf(step);
    let known = 0;
    for (let round = 0; round < 500; round++) {
      const { cookie } = await post('/login');
      await post('/destroy', cookie);
      if ((await me(cookie)) !== 401) known += 1;
    }
    expect(known, 'logouts that were followed by a 200').toBe(0);
  });

  test('100 logouts during a slow request that changes the session: none comes back', async () => {
    expect(await countRevivals(step)).toBe(0);
  });
});

test.each(unordered)('%s: all of 100 such logouts come back', async (step) => {
  expect(await countRevivals(step)).toBe(100);
});

/** @returns after how many logouts the cookie still works. */
async function countRevivals(step: string): Promise<number> {
  const { post, me, startUpload } = await routesOf(step);
  let revivals = 0;
  for (let round = 0; round < 100; round++) {
    const { cookie } = await post('/login');
    const finishUpload = await startUpload(cookie);
    await post('/destroy', cookie);
    await finishUpload();
    if ((await me(cookie)) === 200) revivals += 1;
  }
  return revivals;
}

async function routesOf(step: string) {
  const { DATABASE_URL } = await environmentOf(step);
  const { store, knex, close } = await openStoreOf(step, DATABASE_URL);
  onTestFinished(close);
  if (!isPostgres(knex)) await knex.raw('PRAGMA synchronous = OFF'); // only to save time
  return sessionRoutes(store);
}
