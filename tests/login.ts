import type { Store } from 'express-session';
import request, { type Response } from 'supertest';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { countSessions, readSession } from '#steps/shared/store-contents.ts';
import { ada, replay, signedCookie } from '#tools/browser.ts';
import { HOUR, stopClock } from './clock.ts';
import { RunningStep, type Step } from './running-step.ts';
import { captureErrorLog } from './store-methods.ts';

/**
 * Tests what every step's own code does, wherever it keeps its sessions. Each step's test file begins with them. What
 * the steps share, such as refusing a short password, is tested once, in `tests/shared`.
 */
export function describeLogin(
  step: Step,
  cookieEnds: 'in a day' | 'with the browser' = 'in a day',
): void {
  describe('the login', () => {
    test('knows who you are once you log in, and not before', async () => {
      const { browser } = await registered(step);
      expect(
        (await browser.get('/api/me')).status,
        '/api/me let a stranger through. Put requireLogin before the handler, and let it refuse: chapter 1, The code',
      ).toBe(401);
      const answer = await browser.logIn(ada);
      expect(
        [answer.status, answer.body],
        'the login failed (then the server logged why), or it answered with more than { username }. Chapter 1, The code',
      ).toEqual([200, { username: 'ada' }]);
      expect(
        browser.cookie,
        'the login set no session cookie. Is it secure, although this is not HTTPS? Does the login save the session? Chapter 1, The code',
      ).toBeDefined();
      expect(
        await browser.whoAmI(),
        'not known after the login. Does requireLogin look for what the login stores, and await the user? Chapter 1, The code',
      ).toBe('ada');
      expect(
        (await browser.get('/api/me')).body,
        '/api/me sends more than the name. Answer with { username }: chapter 1, The code',
      ).toEqual({ username: 'ada' });
    });

    test('shows the list of users to logged-in users only', async () => {
      const { browser } = await registered(step);
      const before = await browser.get('/api/users');
      expect(
        before.status,
        'the guard let a stranger through. Put requireLogin before the handler: chapter 1, The code',
      ).toBe(401);
      expect(
        before.body,
        'not refused with a sentence, as JSON. Put answerErrors last: chapter 1, The code',
      ).toEqual({ error: expect.stringContaining('Log in') });
      await browser.logIn(ada);
      const after = await browser.get('/api/users');
      expect([after.status, after.body]).toEqual([200, { users: ['ada'] }]);
    });

    test('gives the same answer to a wrong password as to an unknown name', async () => {
      const { browser } = await registered(step);
      const wrong = await browser.logIn({ ...ada, password: 'wrong horse' });
      const unknown = await browser.logIn({ ...ada, username: 'nobody' });
      expect(
        [wrong.status, unknown.status],
        'not refused with 401. Look at what users.verify returns: chapter 1, The code',
      ).toEqual([401, 401]);
      expect(
        wrong.body,
        'the answers tell strangers which names exist. Let users.verify decide: chapter 1, The code',
      ).toEqual(unknown.body);
      expect(
        browser.cookie,
        'a failed login set a cookie. Set saveUninitialized to false: chapter 1, The code',
      ).toBeUndefined();
    });

    test(`sets a cookie that scripts cannot read, that other sites cannot send, and that ends ${cookieEnds}`, async () => {
      const { browser } = await registered(step);
      const cookie = sessionCookieOf(await browser.logIn(ada));
      for (const [pattern, advice] of [
        [/^sid=s%3A/, 'no cookie called sid. Set name'],
        [/; HttpOnly/, 'scripts can read the cookie. Set httpOnly'],
        [/; SameSite=Lax/, 'requests from other sites carry the cookie. Set sameSite'],
        [/; Path=\/(;|$)/, 'the cookie is not for the whole server. Leave out path'],
        cookieEnds === 'in a day'
          ? [/; Expires=/, 'the cookie ends with the browser window. Set maxAge']
          : [/^(?!.*(Expires|Max-Age))/, 'the cookie outlives the browser. Set no maxAge'],
      ] as const) {
        expect(cookie, `${advice}: chapter 1, The code`).toMatch(pattern);
      }
      if (cookieEnds === 'with the browser') return;
      const expires = Date.parse(/Expires=([^;]+)/.exec(cookie)?.[1] ?? '');
      const advice =
        'the cookie does not end in a day. Set maxAge to 24 hours: chapter 1, The code';
      expect(Math.abs(expires - Date.now() - 24 * HOUR), advice).toBeLessThan(60_000);
    });

    test('ends at logout: in the store, in the browser, and for copies of the cookie', async () => {
      const { server, browser } = await loggedIn(step);
      const { cookie = '', sessionId } = browser;
      const answer = await browser.logOut();
      expect(
        answer.status,
        'the logout failed. Answer POST /api/logout with 204: chapter 1, The code',
      ).toBe(204);
      expect(
        String(answer.headers['set-cookie']),
        'a browser would keep its cookie. Give clearCookie the attributes that the cookie was set with: chapter 1, The code',
      ).toBe('sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax');
      expect(
        await readSession(server.store, sessionId),
        'the session is still in the store. Call destroy at the logout: chapter 1, The code',
      ).toBeUndefined();
      expect((await replay(server.url, cookie)).status, 'the old cookie still works').toBe(401);
    });

    test('lets you log out when you are not logged in', async () => {
      const { browser } = await registered(step);
      expect((await browser.logOut()).status).toBe(204);
    });

    test('does not end when a page or a link makes the browser GET /api/logout', async () => {
      const { browser } = await loggedIn(step);
      const { status } = await browser.get('/api/logout');
      const why = 'the logout answers GET: an image on any site could log you out. Use app.post';
      expect(status, `${why}: chapter 1, The code`).toBe(404);
      expect(await browser.whoAmI(), `${why}: chapter 1, The code`).toBe('ada');
    });

    test('gives you a new session id, so a planted one is worthless (session fixation)', async () => {
      const { server, browser: mallory } = await registered(step);
      await mallory.register({ username: 'mallory', password: 'evil password' });
      await mallory.logIn({ username: 'mallory', password: 'evil password' });
      const planted = mallory.cookie ?? '';

      const victim = server.browser();
      victim.plant(planted);
      await victim.logIn(ada);
      expect(await victim.whoAmI()).toBe('ada');
      expect(
        victim.cookie,
        'the login kept the session id. Call regenerate: chapter 1, The code',
      ).not.toBe(planted);
      expect((await replay(server.url, planted)).status, 'the planted cookie still works').toBe(
        401,
      );
    });

    describe('when the store fails, answers 500', () => {
      test.each([
        [
          'to a login that cannot save its session',
          'set',
          'answered before the session was saved. Call save, look at its error, then answer: chapter 1, The code',
        ],
        [
          'to a login that cannot delete the old session',
          'destroy',
          'the login went on although regenerate failed. Pass its error to next: chapter 1, The code',
        ],
      ] as const)('%s', async (_what, method, advice) => {
        const { server, browser } = await registered(step);
        failOn(server.store, method);
        const { status, text } = await browser.logIn(ada);
        expect(status, advice).toBe(500);
        expect(text).not.toContain('disk');
      });

      test('to a logout that cannot delete the session', async () => {
        const { server, browser } = await loggedIn(step);
        failOn(server.store, 'destroy');
        const { status } = await browser.logOut();
        expect(
          status,
          'reported a logout although the session is still stored. Pass the error of destroy to next: chapter 1, The code',
        ).toBe(500);
        expect(await browser.whoAmI(), 'the cookie of a live session was cleared').toBe('ada');
      });
    });

    test('refuses a session after its expiry, even when the cookie is replayed by hand', async () => {
      const { server, browser } = await loggedIn(step);
      const { cookie = '' } = browser;
      const clock = stopClock();
      await clock.advance(24 * HOUR - 60_000);
      expect((await replay(server.url, cookie)).status, 'a minute before the expiry').toBe(200);
      // That request moved the expiry to a day from now: what counts is the time since the last request.
      await clock.advance(24 * HOUR + 60_000);
      expect((await replay(server.url, cookie)).status, 'a minute after the expiry').toBe(401);
    });

    test('accepts only cookies that are signed with the secret it was given', async () => {
      const { server, browser } = await loggedIn(step);
      const { sessionId } = browser;
      const genuine = await replay(server.url, signedCookie(sessionId, server.secret));
      expect(
        genuine.status,
        'the cookies are signed with another secret. Give session() the secret of createApp: chapter 1, The code',
      ).toBe(200);
      const forged = {
        garbage: 'sid=%%%;;=',
        'not signed': `sid=${sessionId}`,
        'signed with another secret': signedCookie(sessionId, 'another secret'),
        'an unknown id': signedCookie('x'.repeat(32), server.secret),
      };
      for (const [what, cookie] of Object.entries(forged)) {
        const answer = await replay(server.url, cookie);
        expect([what, answer.status, answer.type]).toEqual([what, 401, 'application/json']);
      }
    });
  });

  describe('a request that changes nothing', () => {
    test('starts no session for a visitor', async () => {
      const { server, browser } = await registered(step);
      for (const path of ['/', '/api/me', '/api/users', '/inspect', '/nowhere']) {
        const answer = await browser.get(path);
        expect(
          answer.headers['set-cookie'],
          `${path} set a cookie. Set saveUninitialized to false: chapter 1, The code`,
        ).toBeUndefined();
      }
      expect(
        await countSessions(server.store),
        'visitors who only read have sessions. Set saveUninitialized to false: chapter 1, The code',
      ).toBe(0);
    });

    test('neither saves the session nor sends the cookie again', async () => {
      const { server, browser } = await loggedIn(step);
      const save = vi.spyOn(server.store, 'set');
      const answer = await browser.get('/api/me');
      expect(
        save,
        'a read saved the session, and could overwrite what another request just changed. Set resave to false: chapter 1, The code',
      ).not.toHaveBeenCalled();
      expect(
        answer.headers['set-cookie'],
        'a read sent the cookie again. Leave rolling off: chapter 1, The code',
      ).toBeUndefined();
    });

    test('gets the page and its files without querying the store', async () => {
      const { server, browser } = await loggedIn(step);
      const query = vi.spyOn(server.store, 'get');
      for (const path of ['/', '/page.js', '/page.css']) {
        expect((await browser.get(path)).status, path).toBe(200);
      }
      expect(
        query,
        'the page came after the session middleware. Put it before: chapter 1, The code',
      ).not.toHaveBeenCalled();
    });

    test('shows at /inspect what the server remembers about you', async () => {
      const { browser } = await loggedIn(step);
      const { status, body } = await browser.get('/inspect');
      expect(status, 'no /inspect. Use devRoutes: chapter 1, The code').toBe(200);
      expect(body).toMatchObject({ processId: process.pid, store: { sessions: 1 } });
    });
  });

  describe('a stranger', () => {
    test('gets every error as JSON', async () => {
      const { browser } = await registered(step);
      const nowhere = await browser.get('/api/nowhere');
      const malformed = await browser.post('/api/login').type('json').send('{"username": "ada"');
      for (const answer of [nowhere, malformed]) {
        const advice = 'not answered by answerErrors. Put it last: chapter 1, The code';
        expect(answer.type, advice).toBe('application/json');
        expect(answer.body, advice).toEqual({ error: expect.any(String) });
      }
      expect([nowhere.status, malformed.status]).toEqual([404, 400]);
    });

    test('cannot read answers from the page of another site (CORS)', async () => {
      const { server, browser } = await loggedIn(step);
      const origin = 'http://evil.example';
      const answers = [
        await browser.get('/api/me').set('Origin', origin),
        await browser.logIn(ada).set('Origin', origin),
        await request(server.url).options('/api/login').set('Origin', origin),
      ];
      for (const { headers } of answers) {
        const allowed = Object.keys(headers).filter((name) => name.startsWith('access-control-'));
        expect(allowed, 'pages of other sites may read the answers').toEqual([]);
      }
    });

    test('cannot fake its address or protocol with X-Forwarded headers', async () => {
      const { server, browser } = await registered(step);
      await browser
        .get('/api/me')
        .set({ 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Proto': 'https' });
      const { lastRequest } = server;
      expect(
        [lastRequest?.ip, lastRequest?.protocol],
        'anyone can choose the address that the server sees. Set trust proxy only behind a proxy of yours',
      ).toEqual(['127.0.0.1', 'http']);
    });
  });
}

/** Starts a step on a new database, with ada registered, and opens a browser at it. Both end with the test. */
export async function registered(step: Step, options: { databaseUrl?: string } = {}) {
  const server = await RunningStep.start(step, options);
  onTestFinished(() => server.dispose());
  const browser = server.browser();
  const answer = await browser.register(ada);
  expect(
    [answer.status, answer.body],
    'cannot register. Use express.json(), and register(users) for POST /api/register: chapter 1, The code',
  ).toEqual([201, { username: 'ada' }]);
  return { server, browser };
}

/** The same, with ada logged in. */
export async function loggedIn(step: Step, options: { databaseUrl?: string } = {}) {
  const { server, browser } = await registered(step, options);
  expect((await browser.logIn(ada)).status, 'the login failed').toBe(200);
  expect(await browser.whoAmI(), 'not known after the login').toBe('ada');
  return { server, browser };
}

/** @returns the header that sets the session cookie, without those of other cookies. */
export function sessionCookieOf({ headers }: Response, name = 'sid'): string {
  const cookies: string[] = [headers['set-cookie'] ?? []].flat();
  return cookies.find((cookie) => cookie.startsWith(`${name}=`)) ?? '';
}

/** Makes a method of the store fail as every store does: through the callback. */
function failOn(store: Store, method: 'set' | 'destroy'): void {
  captureErrorLog();
  vi.spyOn(store, method).mockImplementation((...args: unknown[]) => {
    const done = args.at(-1);
    if (typeof done === 'function') done(new Error('The disk is full.'));
  });
}
