import { createServer } from 'node:https';
import type { Express } from 'express';
import { generate } from 'selfsigned';
import request from 'supertest';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Users } from '#database/users.ts';
import { createApp as createStep07 } from '#steps/07-cheap-reads/app.ts';
import { openDatabase as openStep07 } from '#steps/07-cheap-reads/database.ts';
import { SessionStore as Step07Store } from '#steps/07-cheap-reads/store.ts';
import { storedId } from '#steps/08-hardened/session-id.ts';
import type { Protection } from '#steps/08-hardened/settings.ts';
import { ada, Browser, replay, signedCookie } from '#tools/browser.ts';
import { beginUpload } from '#tools/measure.ts';
import { HOUR, moveDate } from './clock.ts';
import { loggedIn, registered, sessionCookieOf } from './login.ts';
import { type CreateAppAndDatabase, RunningStep } from './running-step.ts';
import { startServer } from './spawn.ts';
import { captureErrorLog } from './store-methods.ts';
import { emptyDatabase } from './store-on-knex.ts';
import { settled } from './temporary.ts';

const MINUTE = 60_000;

/** Step 07, for attacks that succeed there. */
export const step07: CreateAppAndDatabase = {
  openDatabase: openStep07,
  createApp: (parts) => createStep07({ ...parts, store: new Step07Store({ knex: parts.knex }) }),
};

/**
 * Tests the attacks that every step from 08 on withstands.
 *
 * @param name of the step, for its real server.
 * @param hardened makes the step with its development defaults, except for some changes.
 */
export function describeAttacks(
  name: string,
  hardened: (changes?: Partial<Protection>) => CreateAppAndDatabase,
): void {
  const step = hardened();

  // In production, behind a proxy on the same machine that ends TLS.
  const production = hardened({ production: true, trustProxy: ['loopback'] });

  describe('an attacker who steals the database', () => {
    test('and knows the secret can log in to step 07 as anybody, but not here', async () => {
      for (const [stolen, status] of [
        [step07, 200],
        [step, 401],
      ] as const) {
        const { server } = await loggedIn(stolen);
        const [sid] = await server.knex('sessions').pluck('sid');
        const answer = await replay(server.url, signedCookie(sid, server.secret));
        const advice =
          'the table opens sessions. Store a hash of the id: chapter 8, "The stolen table"';
        expect(answer.status, advice).toBe(status);
      }
    });

    test('finds no session id in any table', async () => {
      const { server, browser } = await loggedIn(step);
      for (const table of ['sessions', 'devices', 'attempts']) {
        const rows = JSON.stringify(await server.knex(table));
        expect(rows, `a session id is in ${table}: chapter 8, "The stolen table"`).not.toContain(
          browser.sessionId,
        );
      }
    });
  });

  describe('an attacker with a live session', () => {
    test('is logged out after 30 minutes without a request, even with a replayed cookie', async () => {
      const { server, browser } = await loggedIn(step);
      const { cookie = '' } = browser;
      moveDate(0); // freezes the date
      moveDate(29 * MINUTE);
      expect((await replay(server.url, cookie)).status, 'logged out before the idle timeout').toBe(
        200,
      );
      moveDate(31 * MINUTE);
      expect((await replay(server.url, cookie)).status, 'no idle timeout').toBe(401);
    });

    test.each([
      ['a session', {}, 12 * HOUR, 20 * MINUTE],
      ['a remembered session', { remember: true }, 30 * 24 * HOUR, 12 * HOUR],
    ])(
      'keeps %s busy, but is still logged out at the absolute timeout',
      async (_what, options, lifetime, pause) => {
        moveDate(0); // freezes the date
        const { server, browser } = await registered(step);
        await browser.post('/api/login', { ...ada, ...options });
        const { cookie = '' } = browser;
        for (let time = pause; time < lifetime; time += pause) {
          moveDate(pause);
          expect((await replay(server.url, cookie)).status, `after ${time / HOUR} hours`).toBe(200);
        }
        moveDate(pause + 1000);
        const advice =
          'no absolute timeout. Let no expiry come after endsAt: chapter 8, "The session that never ends"';
        expect((await replay(server.url, cookie)).status, advice).toBe(401);
      },
    );

    test('has a cookie with a date only for "remember me", and the same date as in the store', async () => {
      const { server, browser } = await registered(step);
      const short = sessionCookieOf(await browser.logIn(ada));
      expect(short, 'the cookie outlives the browser').not.toMatch(/Expires|Max-Age/);
      const long = sessionCookieOf(await browser.post('/api/login', { ...ada, remember: true }));
      const told = Date.parse(/Expires=([^;]+)/.exec(long)?.[1] ?? '');
      const [stored] = await server.knex('sessions').pluck('expired');
      expect(
        Math.abs(told - new Date(stored).getTime()),
        'browser and store disagree',
      ).toBeLessThan(1000);
    });

    test('is logged out with its user, even if an upload is still running', async () => {
      const { server, browser } = await loggedIn(step);
      const { cookie = '' } = browser;
      const upload = await beginUpload(server.url, cookie);
      await browser.logOut();
      await upload.finish();
      expect((await replay(server.url, cookie)).status).toBe(401);
    });

    test('is logged out when the user changes the password, and the user stays logged in under a new id', async () => {
      const { server, browser: thief } = await loggedIn(step);
      const user = server.browser();
      await user.logIn(ada);
      const { cookie: before = '' } = user;
      const newPassword = 'a better password';
      const answer = await user.post('/api/password', { password: ada.password, newPassword });
      expect(answer.status).toBe(204);
      expect(await thief.whoAmI(), 'the other session lives on').toBeUndefined();
      expect(await user.whoAmI(), 'the user is logged out').toBe('ada');
      expect((await replay(server.url, before)).status, 'the old id lives on').toBe(401);
      expect((await server.browser().logIn(ada)).status, 'the old password').toBe(401);
      expect((await server.browser().logIn({ ...ada, password: newPassword })).status).toBe(200);
    });

    test('is logged out when the password changed during the login', async () => {
      const { server } = await registered(step);
      const user = await server.users.find('ada');
      vi.spyOn(server.users, 'verify').mockImplementation(async () => {
        await server.users.setPassword(user?.id ?? 0, 'a better password', async () => {});
        return user;
      });
      const thief = server.browser();
      expect((await thief.logIn(ada)).status, 'logged in with the old password').toBe(401);
      expect(await thief.whoAmI()).toBeUndefined();
      await settled(server.knex);
      expect(await server.knex('sessions'), 'its session is still stored').toEqual([]);
    });

    test('and the password cannot change the password after the user has, however close the race', async () => {
      const { server, browser: thief } = await loggedIn(step);
      const user = server.browser();
      await user.logIn(ada);
      const answers = await Promise.all([
        user.post('/api/password', { password: ada.password, newPassword: 'a better password' }),
        thief.post('/api/password', { password: ada.password, newPassword: 'evil password' }),
        thief.delete('/api/account', { password: ada.password }),
      ]);
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses, 'of three changes, one may win').toEqual([204, 401, 401]);
    });

    test('does not get the session back when it ended during a password change', async () => {
      const { server, browser } = await loggedIn(step);
      const { cookie = '' } = browser;
      const { setPassword } = server.users;
      vi.spyOn(server.users, 'setPassword').mockImplementation(async (...args) => {
        await replayLogout(server.url, cookie);
        return setPassword.apply(server.users, args);
      });
      const body = { password: ada.password, newPassword: 'a better password' };
      expect((await browser.post('/api/password', body)).status).toBe(401);
      expect(await server.knex('sessions')).toEqual([]);
      expect((await server.browser().logIn(ada)).status, 'the password has changed').toBe(200);
    });

    test('is logged out when the account is deleted', async () => {
      const { server, browser: thief } = await loggedIn(step);
      const user = server.browser();
      await user.logIn(ada);
      expect((await user.delete('/api/account', { password: 'wrong horse' })).status).toBe(401);
      expect(await user.whoAmI(), 'deleted with a wrong password').toBe('ada');
      expect((await user.delete('/api/account', { password: ada.password })).status).toBe(204);
      expect(await thief.whoAmI(), 'the other session lives on').toBeUndefined();
      for (const table of ['users', 'sessions', 'devices']) {
        expect(await server.knex(table), `left in ${table}`).toEqual([]);
      }
    });

    test('appears in the list of devices, and the user can end that session', async () => {
      moveDate(0); // freezes the date
      const { server, browser } = await registered(step);
      await browser.logIn(ada);
      moveDate(1000);
      const thief = server.browser();
      await thief.post('/api/login', ada).set('User-Agent', 'A Stolen Laptop');
      moveDate(5 * MINUTE);
      await thief.whoAmI();
      const { sessions } = (await browser.get('/api/sessions')).body;
      const [stolen, own] = sessions;
      expect(stolen).toEqual({
        id: expect.any(String),
        current: false,
        createdAt: new Date(Date.now() - 5 * MINUTE).toISOString(),
        lastSeenAt: new Date().toISOString(),
        userAgent: 'A Stolen Laptop',
      });
      expect(own).toMatchObject({ current: true });
      expect((await browser.delete(`/api/sessions/${stolen.id}`)).status).toBe(204);
      expect(await thief.whoAmI(), 'still in').toBeUndefined();
      expect(await browser.whoAmI()).toBe('ada');
    });

    test('appears in that list with the time of the last request, even when the expiry no longer moves', async () => {
      moveDate(0);
      const { browser } = await loggedIn(hardened({ absoluteTimeout: 20 * MINUTE }));
      moveDate(15 * MINUTE);
      await browser.whoAmI();
      const [{ lastSeenAt }] = (await browser.get('/api/sessions')).body.sessions;
      expect(lastSeenAt).toBe(new Date().toISOString());
    });

    test('is logged out with all other devices at once', async () => {
      const { server, browser } = await loggedIn(step);
      const others = [server.browser(), server.browser()];
      for (const other of others) await other.logIn(ada);
      expect((await browser.delete('/api/sessions')).status).toBe(204);
      for (const other of others) expect(await other.whoAmI()).toBeUndefined();
      expect(await browser.whoAmI(), 'this one, too').toBe('ada');
    });

    test('cannot see or end the sessions of another user', async () => {
      const { server, browser } = await loggedIn(step);
      const [{ id }] = (await browser.get('/api/sessions')).body.sessions;
      const mallory = server.browser();
      await mallory.register({ username: 'mallory', password: 'evil password' });
      await mallory.logIn({ username: 'mallory', password: 'evil password' });
      expect((await mallory.delete(`/api/sessions/${id}`)).status).toBe(404);
      expect((await mallory.get('/api/sessions')).body.sessions).toHaveLength(1);
      expect(await browser.whoAmI()).toBe('ada');
    });

    test('is logged out, as the oldest session, when the user logs in in 20 more places', async () => {
      moveDate(0); // freezes the date
      const { server, browser: oldest } = await registered(step);
      await oldest.logIn(ada);
      const next = server.browser();
      moveDate(1000);
      await next.logIn(ada);
      for (let login = 0; login < 19; login++) {
        const { status } = await server.browser().logIn(ada);
        expect(status, 'a right password counts as an attempt: chapter 8, "Guessing"').toBe(200);
      }
      expect(await oldest.whoAmI(), 'a user may have any number of sessions').toBeUndefined();
      expect(await next.whoAmI()).toBe('ada');
      expect(await server.knex('devices')).toHaveLength(20);
    });
  });

  describe('an attacker who plants or forges a cookie', () => {
    test('cannot guess an id: each is new, and has 192 random bits', async () => {
      const { browser } = await registered(step);
      const ids = new Set<string>();
      for (let login = 0; login < 10; login++) {
        await browser.logIn(ada);
        ids.add(browser.sessionId);
      }
      expect(ids.size).toBe(10);
      for (const id of ids) expect(id, '24 bytes as base64url').toMatch(/^[\w-]{32}$/);
    });

    test('cannot make the server adopt an id that it never issued', async () => {
      const { server, browser } = await registered(step);
      const planted = signedCookie('x'.repeat(32), server.secret);
      browser.plant(planted);
      await browser.logIn(ada);
      expect(browser.cookie).not.toBe(planted);
      expect((await replay(server.url, planted)).status).toBe(401);
    });

    test('causes no query, however many forged cookies are sent', async () => {
      const { server, browser } = await loggedIn(step);
      const query = vi.spyOn(server.store, 'get');
      const forged = [
        browser.sessionId,
        's:x.y',
        signedCookie(browser.sessionId, 'another secret'),
      ];
      for (const cookie of forged) await replay(server.url, `sid=${cookie.replace('sid=', '')}`);
      expect(query, 'a forged cookie reaches the store').not.toHaveBeenCalled();
    });

    test('gains nothing with an id in the URL', async () => {
      const { server, browser } = await loggedIn(step);
      const value = browser.cookie?.replace('sid=', '') ?? '';
      for (const path of [`/api/me?sid=${value}`, `/api/me;sid=${value}`]) {
        expect((await request(server.url).get(path)).status, path).not.toBe(200);
      }
    });

    test('is refused when a sister domain has set a second cookie of the same name', async () => {
      const { server, browser } = await loggedIn(step);
      const answer = await replay(server.url, `${signedCookie('tossed', 'x')}; ${browser.cookie}`);
      expect(
        answer.status,
        'one of two cookies was believed. Refuse both in cookie.ts: chapter 8, "A tossed cookie"',
      ).toBe(400);
    });

    test('cannot use a cookie signed with a secret that was dropped, while one that is kept still counts', async () => {
      const { server, browser } = await loggedIn(step);
      const old = server.secret;
      await server.restart({ secret: `a newer secret,${old}` });
      expect(await browser.whoAmI(), 'the rotation logged its users out').toBe('ada');
      const late = server.browser();
      await late.logIn(ada);
      await server.restart({ secret: 'a newer secret' });
      expect(await late.whoAmI(), 'the first secret does not sign').toBe('ada');
      expect(await browser.whoAmI(), 'the dropped secret still counts').toBeUndefined();
    });
  });

  describe('an attacker on another site', () => {
    const attacks: [string, Record<string, string>][] = [
      ['another site', { 'Sec-Fetch-Site': 'cross-site' }],
      ['a sister domain', { 'Sec-Fetch-Site': 'same-site' }],
      ['another site, in an old browser', { Origin: 'https://evil.example' }],
      ['a page without an origin, in an old browser', { Origin: 'null' }],
      ['another port, in an old browser', { Origin: 'http://127.0.0.1:1' }],
      ['another protocol, in an old browser', { Origin: 'https://127.0.0.1' }],
    ];

    test.each(attacks)('cannot change anything from %s', async (_what, headers) => {
      const { browser } = await loggedIn(step);
      const requests = [
        browser.post('/api/logout'),
        browser.post('/api/login', ada),
        browser.post('/api/register', { username: 'eve', password: 'evil password' }),
        browser.post('/api/password', { password: ada.password, newPassword: 'evil password' }),
        browser.delete('/api/sessions'),
        browser.delete('/api/account', { password: ada.password }),
      ];
      for (const attack of requests) {
        const { status, headers: answered } = await attack.set(headers);
        const advice = `${attack.method} ${attack.url} was obeyed. See other-sites.ts: chapter 8, "A request from another site"`;
        expect(status, advice).toBe(403);
        expect(answered['set-cookie'], 'refused, and yet it set a cookie').toBeUndefined();
      }
      expect(await browser.whoAmI()).toBe('ada');
    });

    test('is refused, but our own page, old browsers and programs are not', async () => {
      const { server, browser } = await loggedIn(step);
      for (const headers of [{ 'Sec-Fetch-Site': 'same-origin' }, { Origin: server.url }, {}]) {
        expect((await browser.delete('/api/sessions').set(headers)).status).toBe(204);
      }
    });

    test('whose domain points at this machine gets no answer, not even the page', async () => {
      const { server } = await registered(step);
      for (const path of ['/', '/inspect', '/api/me']) {
        const answer = await request(server.url).get(path).set('Host', 'evil.example');
        const advice = `${path} was answered. Compare the host in other-sites.ts: chapter 8, "A domain that points at you"`;
        expect(answer.status, advice).toBe(421);
      }
      for (const host of ['localhost', '127.0.0.1:3000', '[::1]:3000']) {
        const own = await request(server.url).get('/').set('Host', host);
        const advice = `${host} is this machine, and was refused: chapter 8, the second hint`;
        expect(own.status, advice).toBe(200);
      }
    });

    test('cannot use any other host name when ALLOWED_HOSTS lists the names', async () => {
      const { server } = await registered(hardened({ hosts: ['127.0.0.1', 'shop.example'] }));
      const get = (host: string) => request(server.url).get('/').set('Host', host);
      expect((await get('shop.example:8080')).status).toBe(200);
      expect(
        (await get('evil.example')).status,
        'any host was answered: chapter 8, "A domain that points at you"',
      ).toBe(421);
      expect((await get('shop.example.evil.example')).status).toBe(421);
    });

    test('cannot frame an answer, run a script in it, or have it kept by a cache', async () => {
      const { browser } = await registered(step);
      const answers = [
        await browser.get('/'),
        await browser.get('/api/me'),
        await browser.logIn(ada),
        await browser.post('/api/password', { ...ada, newPassword: 'a better password' }),
        await browser.logOut(),
      ];
      for (const { headers } of answers) {
        const advice = 'use helmet in headers.ts: chapter 8, "The code"';
        expect(headers['content-security-policy'], advice).toMatch(
          /default-src 'none'.*frame-ancestors 'none'/,
        );
        expect(headers['x-content-type-options'], advice).toBe('nosniff');
        expect(headers['x-powered-by'], advice).toBeUndefined();
        if (headers['set-cookie']) {
          expect(
            headers['cache-control'],
            'a cache may keep the cookie. Send no-store: chapter 8, "The code"',
          ).toBe('no-store');
        }
      }
      expect(answers.filter(({ headers }) => headers['set-cookie'])).toHaveLength(3);
    });
  });

  describe('an attacker who reads the network', () => {
    test('finds a cookie that is sent only to this host, only over HTTPS, and that no script can read', async () => {
      const agent = await httpsAgent(production);
      await agent.post('/api/register').send(ada);
      const login = await agent.post('/api/login').send(ada);
      const refused = 'refusePlainHttp refused a login over TLS that ends in this server';
      expect(login.status, refused).toBe(200);
      const cookie = sessionCookieOf(login, '__Host-sid');
      const advice =
        'look at what sessionCookie returns for production: chapter 8, "A tossed cookie"';
      expect(cookie.split('; ').slice(1).sort(), advice).toEqual([
        'HttpOnly',
        'Path=/',
        'SameSite=Lax',
        'Secure',
      ]);
      expect((await agent.get('/api/me')).body).toEqual({ username: 'ada' });
      expect((await agent.post('/api/logout')).status).toBe(204);
      expect((await agent.get('/api/me')).status).toBe(401);
    });

    test('gets no cookie over plain HTTP, and the login says why', async () => {
      const server = await RunningStep.start(production);
      onTestFinished(() => server.dispose());
      await server.users.add(ada);
      const answer = await server.browser().logIn(ada);
      const advice =
        'a cookie without TLS: set secure, and refuse the login. Chapter 8, "The code"';
      expect(answer.headers['set-cookie'], advice).toBeUndefined();
      expect([answer.status, answer.body.error]).toEqual([403, expect.stringContaining('HTTPS')]);
      const behind = (headers: Record<string, string>) =>
        request(server.url).post('/api/login').set(headers).send(ada);
      const proto = { 'X-Forwarded-Proto': 'https' };
      const nameless = await behind(proto);
      const hidden =
        'a proxy sent X-Forwarded-Proto but no X-Forwarded-For. In refusePlainHttp, refuse that too (req.ips is empty)';
      expect(nameless.status, hidden).toBe(403);
      const client = { 'X-Forwarded-For': '192.0.2.1' };
      expect((await behind(client)).status, 'a client without TLS').toBe(403);
      expect((await behind({ ...proto, ...client })).status).toBe(200);
    });
  });

  describe('an attacker who guesses passwords', () => {
    const wrong = { ...ada, password: 'wrong horse' };

    test('is slowed down after ten guesses for one account, before the next one is hashed', async () => {
      const { server, browser } = await registered(step);
      await guess(browser, 10);
      const verify = vi.spyOn(server.users, 'verify');
      const refused = await browser.logIn(ada);
      expect(
        refused.status,
        'any number of guesses. Count them in guessing.ts: chapter 8, "Guessing"',
      ).toBe(429);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(60);
      expect(verify, 'a refused request is hashed').not.toHaveBeenCalled();
    });

    test('gains nothing by sending many guesses at the same moment', async () => {
      const { server, browser } = await registered(step);
      const statuses = await Promise.all(
        Array.from({ length: 30 }, async () => (await browser.logIn(wrong)).status),
      );
      const advice = 'count before the password is checked: chapter 8, "Guessing"';
      expect(
        statuses.filter((status) => status === 401),
        advice,
      ).toHaveLength(10);
      expect(await server.knex('sessions')).toEqual([]);
    });

    test('gains nothing from a restart of the server, and may try again after 15 minutes', async () => {
      moveDate(0); // freezes the date
      const { server, browser } = await registered(step);
      await guess(browser, 10);
      await server.restart();
      expect(
        (await browser.logIn(ada)).status,
        'a restart forgot the attempts. Count in the database: chapter 8, "Guessing"',
      ).toBe(429);
      moveDate(15 * MINUTE + 1000);
      expect((await browser.logIn(ada)).status, 'locked for good: chapter 8, "Guessing"').toBe(200);
    });

    test('cannot lock users out of a browser in which they have logged in before', async () => {
      const { server, browser } = await loggedIn(step);
      await browser.logOut();
      await guess(server.browser(), 12);
      expect(
        (await browser.logIn(ada)).status,
        'locked out by a stranger. A known device counts alone: chapter 8, "Guessing"',
      ).toBe(200);
      expect(
        (await server.browser().logIn(ada)).status,
        'a stranger may go on guessing: chapter 8, "Guessing"',
      ).toBe(429);
    });

    test('cannot use the device cookie of one account for another', async () => {
      const { server, browser } = await loggedIn(step);
      await server.users.add({ ...ada, username: 'bob' });
      const bob = { ...wrong, username: 'bob' };
      for (let attempt = 0; attempt < 10; attempt++) await server.browser().logIn(bob);
      expect((await browser.logIn(bob)).status, "ada's device counted as bob's").toBe(429);
    });

    test('is slowed down after fifty guesses from one address, for many accounts', async () => {
      const { server, browser: known } = await loggedIn(step);
      const browser = server.browser();
      for (let attempt = 0; attempt < 50; attempt++) {
        await browser.logIn({ ...wrong, username: `user-${attempt % 10}` });
      }
      const { status } = await browser.logIn({ ...wrong, username: 'another' });
      expect(status, 'count per address as well: chapter 8, "Guessing"').toBe(429);
      const advice =
        'a known device waits for strangers at its address. Skip it: chapter 8, "Guessing"';
      expect((await known.logIn(ada)).status, advice).toBe(200);
    });

    test('cannot fake an address, unless TRUST_PROXY trusts too much', async () => {
      for (const [trustProxy, status] of [
        [[], 429],
        [['0.0.0.0/1', '128.0.0.0/1'], 401],
      ] as const) {
        const { browser } = await registered(hardened({ trustProxy: [...trustProxy] }));
        for (let attempt = 0; attempt < 50; attempt++) {
          const body = { ...wrong, username: `user-${attempt % 10}` };
          await browser.post('/api/login', body).set('X-Forwarded-For', `192.0.2.${attempt}`);
        }
        const last = browser.post('/api/login', { ...wrong, username: 'another' });
        const advice = `with trust proxy ${trustProxy}: chapter 8, "The code"`;
        expect((await last.set('X-Forwarded-For', '192.0.2.200')).status, advice).toBe(status);
      }
    });

    test('is slowed down with a stolen session as well', async () => {
      const { browser } = await loggedIn(step);
      const { password } = ada;
      for (let attempt = 0; attempt < 5; attempt++) {
        const guess = { ...wrong, username: `user-${attempt}` }; // the attacker can send any name
        await browser.delete('/api/account', guess);
        await browser.post('/api/password', { ...guess, newPassword: 'evil password' });
      }
      const advice = 'count wrong passwords here, too, for res.locals.user: chapter 8, "Guessing"';
      const change = { password, newPassword: 'evil password' };
      expect((await browser.post('/api/password', change)).status, advice).toBe(429);
      expect((await browser.delete('/api/account', { password })).status, advice).toBe(429);
    });

    test('is not slowed down by requests with an invalid body, which do not count', async () => {
      const { server, browser } = await loggedIn(step);
      const stranger = server.browser();
      const advice = 'an invalid body was counted. Count only a 401: chapter 8, "Guessing"';
      for (let attempt = 0; attempt < 51; attempt++) {
        const invalid = { ...ada, password: 'short', newPassword: 'short' };
        expect((await stranger.logIn(invalid)).status, advice).toBe(400);
        expect((await browser.post('/api/password', invalid)).status, advice).toBe(400);
      }
    });

    test('cannot use a device cookie from before a password change', async () => {
      const { server, browser: thief } = await loggedIn(step);
      const user = server.browser();
      await user.logIn(ada);
      const newPassword = 'a better password';
      await user.post('/api/password', { password: ada.password, newPassword });
      await guess(server.browser(), 10);
      expect((await thief.logIn(wrong)).status, 'its device is still known').toBe(429);
      await user.logOut();
      const again = await user.logIn({ ...ada, password: newPassword });
      expect(again.status, 'the device of the user is unknown').toBe(200);
    });

    test('is a stranger with a malformed device cookie', async () => {
      const { server } = await registered(step);
      // As long as a signature, in characters: the last one arrives as two.
      const cookie = `device=${'A'.repeat(22)}.${'A'.repeat(41)}\u00e9`;
      const answer = await request(server.url).post('/api/login').set('Cookie', cookie).send(ada);
      expect(answer.status).toBe(200);
    });

    test('and registers accounts is slowed down after twenty from one address', async () => {
      const { browser } = await registered(step);
      for (let account = 0; account < 19; account++) await browser.register(ada); // taken
      const { status } = await browser.register({ ...ada, username: 'another' });
      expect(status, 'any number of registrations').toBe(429);
    });

    test('does not slow down users who know their password', async () => {
      const { browser } = await registered(step);
      for (let login = 0; login < 60; login++) expect((await browser.logIn(ada)).status).toBe(200);
    });

    async function guess(browser: Browser, times: number): Promise<void> {
      for (let attempt = 0; attempt < times; attempt++) await browser.logIn(wrong);
    }
  });

  describe('an attacker who reads the log', () => {
    test('finds no session id, no cookie, no password and no hash, whatever happens', async () => {
      const server = await startServer(name, { SERVERS: '1' });
      const browser = new Browser(server.url);
      await browser.register(ada);
      await browser.logIn({ ...ada, password: 'wrong horse' });
      await browser.logIn(ada);
      const { cookie = '', sessionId } = browser;
      const inspected = (await browser.get('/inspect')).body;
      await browser.post('/api/login').type('json').send(`{"password": "${ada.password}`);
      await browser.get(`/api/me?sid=${sessionId}`);
      await browser.post('/database/break');
      for (const path of ['/api/me', '/api/sessions', '/inspect']) await browser.get(path);
      await browser.logIn(ada);
      await browser.post('/database/restore');
      const newPassword = 'a better password';
      await browser.post('/api/password', { password: ada.password, newPassword });
      await browser.logOut();
      const { stdout, stderr } = await server.end('SIGTERM');
      const log = stdout + stderr;
      expect(log, 'the errors were not logged at all').toMatch(/503 for GET/);
      const secrets = [sessionId, cookie, ada.password, 'wrong horse', newPassword, '$2b$'];
      for (const secret of [...secrets, storedId(sessionId), inspected.row.sid.slice(0, 8)]) {
        expect(log, `the log shows ${secret}`).not.toContain(secret);
      }
    });
  });

  test('a login that fails half-way does not wait until its session is deleted', async () => {
    const { server, browser } = await registered(step);
    captureErrorLog();
    await server.knex.schema.renameTable('devices', 'away');
    const destroy = vi.spyOn(server.store, 'destroy');
    destroy.mockImplementationOnce((_sid, callback) => callback?.()); // the session before the login
    destroy.mockImplementation(() => {}); // never calls back
    expect((await browser.logIn(ada)).status).toBe(500);
    expect(destroy, 'the session of half a login').toHaveBeenCalledTimes(2);
    expect(browser.cookie).toBeUndefined();
  });
}

/** Logs out with a cookie of your own. */
async function replayLogout(url: string, cookie: string): Promise<void> {
  await request(url).post('/api/logout').set('Cookie', cookie);
}

/** A browser at the step over real HTTPS, with a certificate made on the spot. */
async function httpsAgent(step: CreateAppAndDatabase) {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  const { knex, remove } = await emptyDatabase(step.openDatabase, step.store);
  const users = new Users(knex, { bcryptCost: 4 });
  const app: Express = step.createApp({ knex, users, secret: 'a secret for tests' });
  const server = createServer({ key, cert }, app).listen(0, '127.0.0.1');
  onTestFinished(async () => {
    server.close();
    await knex.destroy();
    await remove();
  });
  return request.agent(server, { ca: cert });
}
