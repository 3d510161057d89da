import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Users } from '#steps/09-refuse-strangers/users.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { HOUR, moveDate } from '#tests/clock.ts';
import { beginTransaction, waitingQueries } from '#tests/locks.ts';
import { makePostgresDatabase, setDatabaseClocks } from '#tests/postgres.ts';
import { start } from '#tests/step.ts';
import { replay } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { SessionStore } from './store.ts';

const MINUTE = 60_000;

test('still knows you after a restart', async () => {
  const databaseUrl = await emptyDatabase();
  const step = await start(createApp, { openDatabase, SessionStore, Users, databaseUrl });
  await step.browser.logIn();
  await step.restart();
  expect(await step.browser.whoAmI()).toBe('demo');
});

describe('controls: the same restart forgets you when', () => {
  test('the secret has changed', async () => {
    const step = await startHere();
    await step.browser.logIn();
    await step.restart({ secret: 'a secret made anew at each start' });
    expect(await step.browser.whoAmI()).toBeUndefined();
  });

  test('the database was deleted', async () => {
    const step = await startHere();
    await step.browser.logIn();
    await step.parts.knex.raw('drop schema public cascade; create schema public');
    await step.restart();
    expect(await step.browser.whoAmI()).toBeUndefined();
  });
});

test('knows you on every server, and forgets you on every server', async () => {
  const url = await emptyDatabase();
  const [first, second] = [await startOn(url), await startOn(url)];
  await first.browser.logIn();
  second.browser.plant(first.browser.cookie ?? '');
  expect(await second.browser.whoAmI()).toBe('demo');
  await first.browser.logOut();
  expect(await second.browser.whoAmI()).toBeUndefined();
});

describe('several servers', () => {
  test('count wrong passwords together, also those at the same moment', async () => {
    const url = await emptyDatabase();
    const [first, second] = [await startOn(url), await startOn(url)];
    const wrong = { ...demo, password: 'wrong horse' };
    const guesses = Array.from({ length: 10 }, () => [first, second]).flat();
    const answers = await Promise.all(guesses.map(({ browser }) => browser.logIn(wrong)));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
  });

  const behind = -10 * MINUTE;
  const ahead = 10 * MINUTE;
  const clocks: [string, string, number, number][] = [
    ['behind', 'ahead', behind, ahead],
    ['ahead', 'behind', ahead, behind],
  ];

  test.each(clocks)(
    'whose clocks differ agree on when a session expires: one %s, one %s',
    async (_first, _second, first, second) => {
      const { browser, url, at } = await startWithClocks();
      at(0, first);
      await browser.logIn();
      const { cookie = '' } = browser;
      at(29 * MINUTE, second);
      expect((await replay(url, cookie)).status).toBe(200);
      at(29 * MINUTE + 31 * MINUTE, second);
      expect((await replay(url, cookie)).status).toBe(401);
    },
  );

  test.each(clocks)(
    'whose clocks differ agree on the absolute timeout of a busy session: one %s, one %s',
    async (_first, _second, first, second) => {
      const { browser, url, at } = await startWithClocks();
      at(0, first);
      await browser.logIn();
      const { cookie = '' } = browser;
      for (let time = 29 * MINUTE; time < 12 * HOUR; time += 29 * MINUTE) {
        at(time, time % (58 * MINUTE) ? second : first);
        expect((await replay(url, cookie)).status).toBe(200);
      }
      at(12 * HOUR - 1000, second);
      expect((await replay(url, cookie)).status).toBe(200);
      at(12 * HOUR + 1000, second);
      expect((await replay(url, cookie)).status).toBe(401);
    },
  );

  test('whose clocks differ agree on which session has been idle for the longest time', async () => {
    const { step, browser, at } = await startWithClocks();
    at(0, 0);
    await browser.logIn();
    for (let login = 1; login < 20; login++) {
      at(login, 0);
      await step.openBrowser().logIn();
    }
    const latest = step.openBrowser();
    at(MINUTE, behind);
    await latest.logIn();
    expect(await latest.whoAmI()).toBe('demo');
    expect(await browser.whoAmI()).toBeUndefined();
  });

  test('that change one account at the same moment do not deadlock: one of them wins', async () => {
    const step = await startHere();
    for (let round = 0; round < 5; round++) {
      if (round > 0) await step.browser.register(demo);
      const browsers = [step.openBrowser(), step.openBrowser(), step.openBrowser()];
      for (const browser of browsers) await browser.logIn();
      const answers = await Promise.all(browsers.map((it) => it.delete('/api/account', demo)));
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401]);
    }
  });

  test('do not accept an old password while one of them is changing it', async () => {
    const { browser, parts } = await startHere();
    const change = await beginTransaction(parts.knex);
    await change('users').update({ password_hash: 'another' });
    await change('sessions').delete(); // and then the login saves its session
    const login = browser.logIn().then(({ status }) => status);
    await expect.poll(() => waitingQueries(parts.knex)).toBe(1);
    await change.commit();
    expect(await login).toBe(401);
    await expect.poll(() => parts.knex('sessions')).toEqual([]);
  });
});

describe('a load balancer, which has no session and no name of the site,', () => {
  test('learns from /health that the process answers, and from /ready that requests succeed', async () => {
    const { browser } = await startHere({ hosts: ['shop.example'] });
    expect((await browser.get('/api/me')).status).toBe(421);
    for (const path of ['/health', '/ready']) {
      const { status, headers } = await browser.get(path);
      expect([path, status, headers['set-cookie']]).toEqual([path, 200, undefined]);
    }
  });

  test('learns from /ready when the database is down, and from /health that a restart would not help', async () => {
    const { browser, parts } = await startHere();
    vi.spyOn(parts.knex, 'raw').mockRejectedValue(new Error('Connection terminated'));
    expect((await browser.get('/ready')).status).toBe(503);
    expect((await browser.get('/health')).status).toBe(200);
  });
});

/** @returns the URL of a database that is deleted when the test has finished. */
async function emptyDatabase(): Promise<string> {
  const { url, remove } = await makePostgresDatabase();
  onTestFinished(remove);
  return url;
}

/** Starts a server on an empty database. Both end with the test. */
async function startHere(options: { hosts?: string[] } = {}) {
  return startOn(await emptyDatabase(), options);
}

/** Starts a server on a database. It ends with the test. */
function startOn(databaseUrl: string, { hosts }: { hosts?: string[] } = {}) {
  const parts = { openDatabase, SessionStore, Users, databaseUrl };
  return start((parts) => createApp({ ...parts, hosts }), parts);
}

/** Starts a server, and a function that sets PostgreSQL's clock, and how far the server's own clock is ahead of it. */
async function startWithClocks() {
  moveDate(0); // the clocks stand still
  const now = Date.now();
  const step = await startHere();
  const at = (time: number, ahead: number) => {
    setDatabaseClocks(new Date(now + time));
    vi.setSystemTime(now + time + ahead);
  };
  return { step, browser: step.browser, url: step.url, at };
}
