import { describe, expect, onTestFinished, test } from 'vitest';
import { Users } from '#database/users.ts';
import { openDatabase } from '#steps/08-hardened/database.ts';
import { hashing } from '#steps/08-hardened/hashing.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { Browser } from '#tools/browser.ts';
import { startServer } from '../spawn.ts';
import { emptyDatabase } from '../store-on-knex.ts';

// What a flood costs those who are logged in, on real servers that hash at the real cost.

const MINUTE = 60_000;

describe('a burst of 50 logins', { timeout: MINUTE }, () => {
  test('delays a logged-in user on step 08 by no more than 0.3 s, and on step 07 by far more', async () => {
    const before = await delayDuringLogins('07-cheap-reads');
    const after = await delayDuringLogins('08-hardened');
    console.log(`95 of 100 requests took at most ${before} ms on step 07, ${after} ms on step 08.`);
    expect(after, 'hash in threads of their own').toBeLessThanOrEqual(300);
    expect(before).toBeGreaterThan(3 * after);
  });

  /** @returns how long a request of a logged-in user takes meanwhile, in milliseconds: the 95th percentile. */
  async function delayDuringLogins(step: string): Promise<number> {
    const server = await startServer(step, {}, []);
    const browser = new Browser(server.url);
    await browser.logIn(demo);
    let isOver = false;
    const logins = Array.from({ length: 50 }, (_, index) =>
      new Browser(server.url).logIn({ username: `user-${index}`, password: 'wrong horse' }),
    );
    const burst = Promise.all(logins).then(() => {
      isOver = true;
    });
    const times: number[] = [];
    while (!isOver) {
      const start = performance.now();
      expect((await browser.get('/api/me')).status).toBe(200);
      times.push(performance.now() - start);
    }
    await burst;
    return Math.round(times.sort((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? 0);
  }
});

test('in a flood of registrations, those in the queue succeed, and the others get a 503', {
  timeout: MINUTE,
}, async () => {
  const server = await startServer('08-hardened', { TRUST_PROXY: 'loopback' }, []);
  // Each from an address of its own, because one address may register 20 times.
  const register = (index: number) =>
    new Browser(server.url)
      .register({ username: `user-${index}`, password: 'correct horse' })
      .set('X-Forwarded-For', `192.0.2.${index}`);
  const answers = await Promise.all(Array.from({ length: 120 }, (_, index) => register(index)));
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses), 'the queue has no end').toEqual(new Set([201, 503]));
  expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(25);
  const refused = answers.find(({ status }) => status === 503);
  expect(refused?.headers['retry-after']).toBe('5');
  expect(refused?.body).toEqual({ error: expect.stringContaining('Try again') });
});

test('an unknown name takes as long as a wrong password: the times of 60 logins do not tell them apart', {
  timeout: MINUTE,
}, async () => {
  const { knex, remove } = await emptyDatabase(openDatabase);
  onTestFinished(async () => {
    await knex.destroy();
    await remove();
  });
  const users = new Users(knex, { bcryptCost: 8, hashing });
  await users.add(demo);
  const times = { ada: [] as number[], [demo.username]: [] as number[] };
  for (let turn = 0; turn < 30; turn++) {
    for (const [username, list] of Object.entries(times)) {
      const start = performance.now();
      await users.verify({ username, password: 'wrong horse' });
      list.push(performance.now() - start);
    }
  }
  // The share of pairs in which the unknown name was slower: one half, if there is nothing to learn.
  const [unknown = [], known = []] = Object.values(times);
  const slower = unknown.flatMap((time) => known.filter((other) => time > other));
  const share = slower.length / (unknown.length * known.length);
  expect(Math.abs(share - 0.5), `slower in ${share} of all pairs`).toBeLessThan(0.25);
});
