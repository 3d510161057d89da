import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { SessionStore } from '#steps/08-revoke-sessions/store.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { moveDate } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import type { Browser } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { Users } from './users.ts';

const MINUTE = 60_000;
const polling = { timeout: MINUTE }; // vitest's own is near what a busy machine needs
const parts = { openDatabase, SessionStore, Users };
const wrong = { ...demo, password: 'wrong horse' };
const change = { password: demo.password, newPassword: 'a better password' };

describe('an attacker who guesses passwords', () => {
  test('is slowed down after ten guesses for one account, before the next one is hashed', async () => {
    const { browser, parts: running } = await start(createApp, parts);
    for (let guess = 0; guess < 10; guess++) expect((await browser.logIn(wrong)).status).toBe(401);
    const verify = vi.spyOn(running.users, 'verify');
    const { status, headers } = await browser.logIn();
    expect(status).toBe(429);
    expect(Number(headers['retry-after'])).toBeGreaterThan(60);
    expect(verify).not.toHaveBeenCalled();
  });

  test('gains nothing by sending many guesses at the same moment', async () => {
    const { browser } = await start(behindProxy, parts);
    const guesses = Array.from({ length: 30 }, (_, index) =>
      from(`192.0.2.${index}`, browser.logIn(wrong)),
    );
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
  });

  test('gains nothing from a restart of the server, and may try again after 15 minutes', async () => {
    const step = await start(createApp, parts);
    moveDate(0); // the clock stands still
    await guess(step.browser);
    await step.restart();
    expect((await step.browser.logIn()).status).toBe(429);
    moveDate(15 * MINUTE + 1000);
    expect((await step.browser.logIn()).status).toBe(200);
  });

  test('is slowed down after fifty guesses from one address, for many accounts', async () => {
    const { browser } = await start(createApp, parts);
    for (let guess = 0; guess < 50; guess++) {
      await browser.logIn({ ...wrong, username: `user-${guess % 10}` });
    }
    expect((await browser.logIn({ ...wrong, username: 'another' })).status).toBe(429);
  });

  test.each<[string, string[], number]>([
    ['cannot fake an address', [], 429],
    ['can fake one if TRUST_PROXY trusts everybody', ['0.0.0.0/1', '128.0.0.0/1'], 401],
  ])('%s', async (_what, trustProxy, status) => {
    const { browser } = await start((parts) => createApp({ ...parts, trustProxy }), parts);
    for (let guess = 0; guess < 50; guess++) {
      const request = browser.logIn({ ...wrong, username: `user-${guess % 10}` });
      await from(`192.0.2.${guess}`, request);
    }
    const last = await from('192.0.2.200', browser.logIn({ ...wrong, username: 'another' }));
    expect(last.status).toBe(status);
  });

  test('is slowed down with a stolen session as well', async () => {
    const { browser } = await start(createApp, parts);
    await browser.logIn();
    for (let guess = 0; guess < 5; guess++) {
      const body = { ...wrong, username: `user-${guess}` }; // the attacker can send any name
      await browser.delete('/api/account', body);
      await browser.post('/api/password', { ...body, newPassword: 'evil password' });
    }
    expect((await browser.post('/api/password', change)).status).toBe(429);
    expect((await browser.delete('/api/account', change)).status).toBe(429);
  });

  test('gains nothing from an attempt that ends after the 15 minutes: no count is below zero', async () => {
    const { browser, parts: running } = await start(createApp, parts);
    moveDate(0);
    vi.spyOn(running.users, 'verify').mockImplementationOnce(async () => {
      moveDate(15 * MINUTE + 1000);
      throw new Error('The database failed.');
    });
    await browser.logIn(wrong);
    expect(await running.knex('attempts').where('hits', '<', 0)).toEqual([]);
  });

  test('and reads the counts finds no session id', async () => {
    const { browser, parts: running } = await start(createApp, parts);
    await browser.logIn();
    await browser.delete('/api/account', wrong);
    const rows = await running.knex('attempts').where({ hits: 1 });
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(browser.sessionId);
  });

  test('and registers accounts is slowed down after twenty from one address', async () => {
    const { browser } = await start(createApp, parts);
    for (let account = 0; account < 20; account++) {
      expect((await browser.register(demo)).status).toBe(409); // the name is taken
    }
    expect((await browser.register({ ...demo, username: 'another' })).status).toBe(429);
  });

  test('and whose password is right has only ten checked at a time, and others do not wait for it', async () => {
    const { browser, parts: running } = await start(behindProxy, parts);
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const checks = vi.spyOn(running.users, 'verify').mockImplementation(async () => {
      await finished;
      return undefined;
    });
    const refused: (string | undefined)[] = [];
    const logins = Array.from({ length: 12 }, async (_, index) => {
      const { status, headers } = await browser.logIn({ ...demo, username: `user-${index}` });
      if (status === 429) refused.push(headers['retry-after']);
    });
    await expect.poll(() => refused, polling).toEqual(['1', '1']);
    const other = from('192.0.2.1', browser.logIn()).then(({ status }) => status);
    await expect.poll(() => checks.mock.calls.length, polling).toBe(11);
    finish();
    await Promise.all(logins);
    expect(await other).toBe(401);
  });
});

describe('a user who knows the password', () => {
  test('is not slowed down', async () => {
    const { browser } = await start(createApp, parts);
    for (let login = 0; login < 60; login++) expect((await browser.logIn()).status).toBe(200);
  });

  test('is not slowed down by invalid requests, which do not count', async () => {
    const step = await start(createApp, parts);
    const stranger = step.openBrowser();
    await step.browser.logIn();
    const invalid = { ...demo, password: 'short', newPassword: 'short' };
    for (let attempt = 0; attempt < 51; attempt++) {
      expect((await stranger.logIn(invalid)).status).toBe(400);
      expect((await step.browser.post('/api/password', invalid)).status).toBe(400);
    }
  });

  test('is not slowed down after leaving before the answer', async () => {
    const { browser, parts: running, url } = await start(createApp, parts);
    const { users, knex } = running;
    const { verify } = users;
    for (let login = 0; login < 10; login++) {
      const { hostname, port } = new URL(url);
      const client = connect(Number(port), hostname);
      const checked = new Promise<void>((resolve) => {
        vi.spyOn(users, 'verify').mockImplementationOnce(async (given) => {
          await once(client.destroy(), 'close');
          return verify.call(users, given).finally(resolve);
        });
      });
      const body = JSON.stringify(demo);
      client.write(
        `POST /api/login HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await checked;
    }
    await expect.poll(() => knex('sessions').pluck('sid'), polling).toHaveLength(10);
    expect((await browser.logIn()).status).toBe(200);
  });

  test('is not slowed down by others who log in at the same moment', async () => {
    const step = await start(behindProxy, parts);
    const logIn = (index: number) => from(`192.0.2.${index}`, step.openBrowser().logIn());
    await Promise.all(Array.from({ length: 30 }, (_, index) => logIn(index)));
    expect((await logIn(30)).status).toBe(200);
  });

  test('and is logged in can change it while strangers guess', async () => {
    const step = await start(createApp, parts);
    const user = step.openBrowser(); // without the device cookie
    await step.browser.logIn();
    user.plant(step.browser.cookie ?? '');
    await guess(step.openBrowser());
    expect((await user.post('/api/password', change)).status).toBe(204);
  });

  test('and has a new account of an old name starts without the attempts of its predecessor', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    await guess(step.openBrowser());
    await step.browser.delete('/api/account', demo);
    await step.browser.register(demo);
    expect((await step.openBrowser().logIn()).status).toBe(200);
  });
});

describe('behind a proxy', () => {
  test.each<[string, (client: number) => string]>([
    ['IPv4 and a port', (port) => `203.0.113.7:${port}`],
    ['IPv6 and a port', (port) => `[2001:db8::7]:${port}`],
    ['IPv4 as IPv6', (turn) => (turn % 2 ? '203.0.113.7' : '::ffff:203.0.113.7')],
    ['one of many IPv6 addresses', (client) => `2001:db8::${client}`],
  ])('a client is one client, however the proxy names it: %s', async (_what, address) => {
    const { browser } = await start(behindProxy, parts);
    for (let turn = 0; turn < 20; turn++) await from(address(turn), browser.register(demo));
    expect((await from(address(20), browser.register(demo))).status).toBe(429);
  });

  test.each(['unknown', '203.0.113.7:x', 'fe80::1%a.b'])(
    'a client has an address, which %s is not',
    async (address) => {
      const { browser } = await start(behindProxy, parts);
      expect((await from(address, browser.logIn())).status).toBe(400);
    },
  );
});

/** Behind a proxy on this machine, so that a test can choose the client's address. */
function behindProxy(parts: Parameters<typeof createApp>[0]) {
  return createApp({ ...parts, trustProxy: ['loopback'] });
}

function from(address: string, request: ReturnType<Browser['post']>) {
  return request.set('X-Forwarded-For', address);
}

/** As many wrong passwords for demo as the account allows. */
async function guess(browser: Browser): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) await browser.logIn(wrong);
}
