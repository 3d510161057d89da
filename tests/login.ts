import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { demo, prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { countStored, readStored } from '#steps/shared/stored.ts';
import { ada, type Browser, replay } from './browser.ts';
import { HOUR, stopClock } from './clock.ts';
import { RunningStep, type Step } from './running-step.ts';

/** What every step's login does, whatever becomes of its sessions. Each step's test file begins with it. */
export function describeLogin(step: Step): void {
  describe('the login', () => {
    test('knows who you are once you log in, and not before', async () => {
      const { browser } = await registered(step);
      expect(await browser.whoAmI(), 'known before the login').toBeUndefined();
      const answer = await browser.logIn(ada);
      expect([answer.status, answer.body]).toEqual([200, { username: 'ada' }]);
      expect(
        await browser.whoAmI(),
        'not known after the login. Is what the login stores what requireLogin looks for, and does it await that? Chapter 1, The code',
      ).toBe('ada');
    });

    test('opens the restricted resource to those who are logged in, and to nobody else', async () => {
      const { browser } = await registered(step);
      const before = await browser.get('/api/users');
      expect(
        before.status,
        'the guard let a stranger through. Put requireLogin before the handler: chapter 1, The code',
      ).toBe(401);
      expect(before.body.error).toContain('Log in');
      await browser.logIn(ada);
      const after = await browser.get('/api/users');
      expect([after.status, after.body]).toEqual([200, { users: ['ada'] }]);
    });

    test('says the same to a wrong password as to a name that nobody has', async () => {
      const { browser } = await registered(step);
      const wrong = await browser.logIn({ ...ada, password: 'wrong horse' });
      const unknown = await browser.logIn({ ...ada, username: 'nobody' });
      expect([wrong.status, unknown.status]).toEqual([401, 401]);
      expect(
        wrong.body,
        'the answers tell strangers which names exist. Let users.verify decide: chapter 1, The code',
      ).toEqual(unknown.body);
      expect(browser.cookie, 'a failed login left a cookie').toBeUndefined();
    });

    test('forgets you when you log out: the store, the browser, and whoever copied the cookie', async () => {
      const { server, browser } = await loggedIn(step);
      const { cookie = '', sessionId } = browser;
      const answer = await browser.logOut();
      expect(answer.status).toBe(204);
      expect(
        browser.cookie,
        'the cookie stayed in the browser. Call clearCookie at the logout: chapter 1, The code',
      ).toBeUndefined();
      expect(
        await readStored(server.store, sessionId),
        'the session is still in the store. Call destroy at the logout: chapter 1, The code',
      ).toBeUndefined();
      expect((await replay(server.url, cookie)).status, 'the old cookie still works').toBe(401);
    });

    test('lets you log out when you are not logged in', async () => {
      const { browser } = await registered(step);
      expect((await browser.logOut()).status).toBe(204);
    });

    test('gives you a new session id, so that a planted one is worth nothing (session fixation)', async () => {
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

    test('never answers 200 for a session that could not be stored', async () => {
      const { server, browser } = await registered(step);
      silenceErrorLog();
      // A full disk cannot be had in a test. All stores tell of it in this way.
      vi.spyOn(server.store, 'set').mockImplementation((_sid, _session, done) => {
        done?.(new Error('The disk is full.'));
      });
      const answer = await browser.logIn(ada);
      expect(
        answer.status,
        'answered before the session was saved. Call save, then answer: chapter 1, The code',
      ).toBe(500);
      expect(answer.text).not.toContain('disk');
    });

    test('sets a cookie that scripts cannot read, other sites cannot send along, and that ends in a day', async () => {
      const { browser } = await registered(step);
      const cookie = String((await browser.logIn(ada)).headers['set-cookie']);
      expect(cookie).toMatch(/^sid=s%3A/);
      expect(cookie, 'scripts can read the cookie. Set httpOnly: chapter 1, The code').toMatch(
        /; HttpOnly/,
      );
      expect(cookie, 'other sites can make it go along. Set sameSite: chapter 1, The code').toMatch(
        /; SameSite=Lax/,
      );
      expect(cookie).toMatch(/; Path=\//);
      expect(
        cookie,
        'the cookie ends with the browser window. Set maxAge: chapter 1, The code',
      ).toMatch(/; Expires=/);
      const expires = Date.parse(/Expires=([^;]+)/.exec(cookie)?.[1] ?? '');
      expect(Math.abs(expires - Date.now() - 24 * HOUR)).toBeLessThan(60_000);
    });

    test('has a page that takes nothing from elsewhere', async () => {
      const { browser } = await registered(step);
      const answer = await browser.get('/');
      expect([answer.status, answer.type]).toEqual([200, 'text/html']);
      expect(answer.headers['content-security-policy']).toMatch(/default-src 'none'/);
      const files = [...answer.text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, file]) => file);
      expect(files).toContain('page.js');
      for (const file of files.filter((file) => !file?.startsWith('data:'))) {
        expect(file, 'an address that is not relative').toMatch(/^[\w.]+$/);
        expect((await browser.get(`/${file}`)).status, file).toBe(200);
      }
    });

    test('starts no session for a visitor who only looks', async () => {
      const { server, browser } = await registered(step);
      for (const path of ['/', '/api/me', '/api/users', '/inspect', '/nowhere']) {
        const answer = await browser.get(path);
        expect(answer.headers['set-cookie'], `${path} set a cookie`).toBeUndefined();
      }
      expect(
        await countStored(server.store),
        'visitors who only looked have sessions. Set saveUninitialized to false: chapter 1, The code',
      ).toBe(0);
    });

    test('refuses a session after its expiry, even when the cookie is replayed by hand', async () => {
      const { server, browser } = await loggedIn(step);
      const { cookie = '' } = browser;
      const clock = stopClock();
      await clock.advance(24 * HOUR - 60_000);
      expect((await replay(server.url, cookie)).status, 'a minute before the expiry').toBe(200);
      // That request moved the expiry on by a day: what counts is the time since the last one.
      await clock.advance(24 * HOUR + 60_000);
      expect((await replay(server.url, cookie)).status, 'a minute after the expiry').toBe(401);
    });

    test('takes no cookie that it did not sign itself', async () => {
      const { server, browser } = await loggedIn(step);
      const { sessionId } = browser;
      const forged = {
        garbage: 'sid=%%%;;=',
        'not signed': `sid=${sessionId}`,
        'signed with another secret': `sid=s%3A${sessionId}.${'A'.repeat(43)}`,
        'an unknown id': `sid=s%3A${'x'.repeat(32)}.${'A'.repeat(43)}`,
      };
      for (const [what, cookie] of Object.entries(forged)) {
        const answer = await replay(server.url, cookie);
        expect([what, answer.status, answer.type]).toEqual([what, 401, 'application/json']);
      }
      await server.restart({ secret: 'another secret' });
      expect(
        await browser.whoAmI(),
        'the cookie was signed with the secret of before',
      ).toBeUndefined();
      expect(await browser.logIn(ada).then((answer) => answer.status)).toBe(200);
    });

    test('shows what it remembers about you at /inspect, but not in production', async () => {
      const { server, browser } = await loggedIn(step);
      const { body, text } = await browser.get('/inspect');
      expect(body).toMatchObject({ processId: process.pid, store: { sessions: 1 } });
      expect(body.session.cookie).toMatchObject({ httpOnly: true });
      expect(text, 'scripts could read the whole session id').not.toContain(browser.sessionId);
      vi.stubEnv('NODE_ENV', 'production');
      // express-session warns about its MemoryStore in production, as it should.
      vi.spyOn(console, 'warn').mockImplementation(() => {});
      await server.restart();
      expect((await browser.get('/inspect')).status).toBe(404);
    });

    test('has a demo account while you learn, and none in production', async () => {
      const { server } = await registered(step);
      await prepareDemoAccount(server.users, false);
      expect((await server.browser().logIn(demo)).status).toBe(200);
      await prepareDemoAccount(server.users, true);
      expect((await server.browser().logIn(demo)).status).toBe(401);
    });
  });

  describe('what it refuses, in a sentence and in JSON', () => {
    const cases: [what: string, status: number, send: (browser: Browser) => Promise<Refusal>][] = [
      ['malformed JSON', 400, (browser) => raw(browser, '{"username": "ada",')],
      ['a body that is not JSON', 415, (browser) => raw(browser, 'username=ada', 'text/plain')],
      ['no body', 415, (browser) => browser.post('/api/login')],
      [
        'a body in an unknown encoding',
        415,
        (browser) => raw(browser, '{}', 'application/json; charset=klingon'),
      ],
      [
        'a body of 10 MB',
        413,
        (browser) => browser.post('/api/login', { username: 'a'.repeat(10_000_000) }),
      ],
      ['JSON that is not an object', 400, (browser) => browser.post('/api/login', [ada])],
      [
        'a missing username',
        400,
        (browser) => browser.post('/api/login', { password: ada.password }),
      ],
      ['a missing password', 400, (browser) => browser.post('/api/register', { username: 'eve' })],
      [
        'a name that is an object',
        400,
        (browser) => browser.post('/api/login', { ...ada, username: { $ne: '' } }),
      ],
      [
        'a name that is SQL',
        400,
        (browser) => browser.post('/api/register', { ...ada, username: "x' OR '1'='1" }),
      ],
      [
        'a name of 33 characters',
        400,
        (browser) => browser.register({ ...ada, username: 'a'.repeat(33) }),
      ],
      ['an empty name', 400, (browser) => browser.register({ ...ada, username: '' })],
      [
        'a password of 7 characters',
        400,
        (browser) => browser.register({ username: 'eve', password: '1234567' }),
      ],
      [
        'a password of 73 bytes',
        400,
        (browser) => browser.register({ username: 'eve', password: 'p'.repeat(73) }),
      ],
      [
        '37 characters of two bytes each',
        400,
        (browser) => browser.register({ username: 'eve', password: 'é'.repeat(37) }),
      ],
      ['a name that is taken', 409, (browser) => browser.register(ada)],
      ['an unknown route', 404, (browser) => browser.get('/api/nothing')],
      ['a wrong method', 404, (browser) => browser.get('/api/login')],
      ['an address that cannot be decoded', 404, (browser) => browser.get('/api/%E0%A4%A')],
    ];

    // One server takes all of it, one thing after the other: none may leave it worse for the next.
    let server: RunningStep;
    beforeAll(async () => {
      server = await RunningStep.start(step);
      await server.browser().register(ada);
      return () => server.dispose();
    });

    test.each(cases)('%s: %i', async (_what, status, send) => {
      const browser = server.browser();
      const answer = await send(browser);
      expect([answer.status, answer.type]).toEqual([status, 'application/json']);
      expect(Object.keys(answer.body)).toEqual(['error']);
      expect(answer.body.error, 'not a sentence').toMatch(/^[A-Z].*\.$/);
      expect(answer.text, 'the answer shows our insides').not.toMatch(
        /node_modules|\bat \S+:\d+|select |insert |\/\w+\//i,
      );
      expect((await browser.logIn(ada)).status, 'the server goes on').toBe(200);
    });

    test('50 registrations of one name at once: one gets it, 49 are told that it is taken', async () => {
      const browser = server.browser();
      const grace = { username: 'grace', password: 'nanoseconds' };
      const answers = await Promise.all(Array.from({ length: 50 }, () => browser.register(grace)));
      const statuses = answers.map((answer) => answer.status).sort();
      expect(statuses).toEqual([201, ...Array(49).fill(409)]);
    });

    test('a password of exactly 72 bytes is fine', async () => {
      const browser = server.browser();
      const eve = { username: 'eve', password: 'p'.repeat(72) };
      expect((await browser.register(eve)).status).toBe(201);
      expect((await browser.logIn(eve)).status).toBe(200);
      const almost = await browser.logIn({ ...eve, password: `${'p'.repeat(71)}q` });
      expect(almost.status, 'the last byte was ignored').toBe(401);
    });
  });
}

/** A step on a new database, with ada registered, and a browser at it. It ends with the test. */
export async function registered(step: Step, options: { databaseUrl?: string } = {}) {
  const server = await RunningStep.start(step, options);
  onTestFinished(() => server.dispose());
  const browser = server.browser();
  const answer = await browser.register(ada);
  expect([answer.status, answer.body]).toEqual([201, { username: 'ada' }]);
  return { server, browser };
}

/** The same, with ada logged in. */
export async function loggedIn(step: Step, options: { databaseUrl?: string } = {}) {
  const { server, browser } = await registered(step, options);
  expect((await browser.logIn(ada)).status).toBe(200);
  expect(await browser.whoAmI()).toBe('ada');
  return { server, browser };
}

/** Errors of the server's own are printed whole; in a test that causes one, they would only alarm. */
export function silenceErrorLog(): void {
  vi.spyOn(console, 'error').mockImplementation(() => {});
}

interface Refusal {
  status: number;
  type: string;
  text: string;
  body: { error: string };
}

function raw(browser: Browser, body: string, type = 'application/json'): Promise<Refusal> {
  return browser.post('/api/login').set('Content-Type', type).send(body);
}
