import { expect, test } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { Browser } from '#tools/browser.ts';
import { startServer } from '../spawn.ts';

// What a flood costs those who are logged in, on real servers. Each request comes from an address of its own, because
// step 09 limits what one address may do.

test('during a burst of 50 logins, step 09 answers a logged-in user far more often than step 08', async ({
  annotate,
}) => {
  const before = await timesDuringLogins('08-revoke-sessions');
  const after = await timesDuringLogins('09-refuse-strangers');
  const [slow, fast] = [before, after].map((times) => times[Math.floor(times.length * 0.95)] ?? 0);
  await annotate(`95 of 100 requests took at most ${slow} ms on step 08, ${fast} ms on step 09.`);
  expect(after.length).toBeGreaterThan(3 * before.length);
});

test('in a flood of registrations, those in the queue succeed, and the others get a 503', async () => {
  const { url } = await startServer('09-refuse-strangers', { TRUST_PROXY: 'loopback' });
  const answers = await Promise.all(
    Array.from({ length: 120 }, (_, index) =>
      new Browser(url).register({ ...demo, username: `user-${index}` }).set(forwardedFor(index)),
    ),
  );
  const busy = answers.filter(({ status }) => status === 503);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 503]));
  expect(busy.length).toBeLessThanOrEqual(95);
  expect(busy[0]?.headers['retry-after']).toBe('5');
  expect(busy[0]?.body).toEqual({ error: expect.stringContaining('Try again') });
});

/** @returns how long each request of a logged-in user takes meanwhile, in milliseconds, the fastest first. */
async function timesDuringLogins(step: string): Promise<number[]> {
  const { url } = await startServer(step, { TRUST_PROXY: 'loopback' });
  const browser = new Browser(url);
  await browser.logIn();
  const logins = Array.from({ length: 50 }, (_, index) =>
    new Browser(url)
      .logIn({ username: `user-${index}`, password: 'wrong horse' })
      .set(forwardedFor(index)),
  );
  let isOver = false;
  const burst = Promise.all(logins).finally(() => {
    isOver = true;
  });
  const times: number[] = [];
  while (!isOver) {
    const start = performance.now();
    expect(await browser.whoAmI()).toBe(demo.username);
    times.push(Math.round(performance.now() - start));
  }
  await burst;
  return times.sort((a, b) => a - b);
}

function forwardedFor(index: number) {
  return { 'X-Forwarded-For': `192.0.2.${index}` };
}
