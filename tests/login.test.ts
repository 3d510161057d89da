import type { Store } from 'express-session';
import request from 'supertest';
import { describe, expect, test, vi } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { replay, signedCookie } from '#tools/browser.ts';
import { HOUR, moveDate } from './clock.ts';
import { startStep, stepOf, steps } from './every-step.ts';
import { sessionCookieOf } from './requests.ts';
import { captureErrorLog } from './store-methods.ts';

// What every step promises, wherever it keeps its sessions.
describe.each(steps)('the login of step %s', (name) => {
  const isDated = stepOf(name) < '08'; // from step 08 on, the session cookie ends with the browser

  test('knows who you are once you log in, and not before', async () => {
    const { browser } = await startStep(name);
    expect((await browser.get('/api/me')).status).toBe(401);
    const { status, body } = await browser.logIn();
    expect({ status, body }).toEqual({ status: 200, body: { username: 'demo' } });
    expect((await browser.get('/api/me')).body).toEqual({ username: 'demo' });
  });

  test('shows the list of users to logged-in users only', async () => {
    const { browser } = await startStep(name);
    const before = await browser.get('/api/users');
    expect(before.status).toBe(401);
    expect(before.body).toEqual({ error: expect.stringContaining('Log in') });
    await browser.logIn();
    const after = await browser.get('/api/users');
    expect([after.status, after.body]).toEqual([200, { users: ['demo'] }]);
  });

  test('registers an account once', async () => {
    const { browser } = await startStep(name);
    const ada = { username: 'ada', password: 'correct horse' };
    const first = await browser.register(ada);
    expect([first.status, first.body]).toEqual([201, { username: 'ada' }]);
    expect((await browser.register(ada)).status).toBe(409);
    await browser.logIn(ada);
    expect(await browser.whoAmI()).toBe('ada');
  });

  test('gives the same answer to a wrong password as to an unknown name', async () => {
    const { browser } = await startStep(name);
    const wrong = await browser.logIn({ ...demo, password: 'wrong horse' });
    const unknown = await browser.logIn({ ...demo, username: 'nobody' });
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect(wrong.body).toEqual(unknown.body);
    expect(browser.cookie).toBeUndefined();
  });

  test('sets a cookie that scripts cannot read and other sites cannot send', async () => {
    const { browser } = await startStep(name);
    const cookie = sessionCookieOf(await browser.logIn());
    expect(cookie).toMatch(/^sid=s%3A/);
    expect(cookie).toMatch(/; Path=\/(;|$)/);
    expect(cookie).toContain('; HttpOnly');
    expect(cookie).toContain('; SameSite=Lax');
  });

  test(`sets a cookie that ends ${isDated ? 'in a day' : 'with the browser'}`, async () => {
    const { browser } = await startStep(name);
    moveDate(0); // the clock stands still
    const cookie = sessionCookieOf(await browser.logIn());
    const inADay = new Date(Date.now() + 24 * HOUR).toUTCString();
    if (isDated) expect(cookie).toContain(`; Expires=${inADay}`);
    else expect(cookie).not.toMatch(/Expires|Max-Age/);
  });

  test('ends at logout: in the store, in the browser, and for copies of the cookie', async () => {
    const { browser, url } = await startStep(name);
    await browser.logIn();
    const { cookie = '' } = browser;
    const { status, headers } = await browser.logOut();
    expect(status).toBe(204);
    const cleared = 'sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax';
    expect(headers['set-cookie']).toEqual([cleared]);
    expect((await browser.get('/inspect')).body.store.sessions).toBe(0);
    expect((await replay(url, cookie)).status).toBe(401);
  });

  test('lets you log out when you are not logged in', async () => {
    const { browser } = await startStep(name);
    expect((await browser.logOut()).status).toBe(204);
  });

  test('does not end when a page or a link makes the browser GET /api/logout', async () => {
    const { browser } = await startStep(name);
    await browser.logIn();
    expect((await browser.get('/api/logout')).status).toBe(404);
    expect(await browser.whoAmI()).toBe('demo');
  });

  test('gives you a new session id, so a planted one is worthless (session fixation)', async () => {
    const step = await startStep(name);
    const mallory = step.browser;
    await mallory.register({ username: 'mallory', password: 'evil password' });
    await mallory.logIn({ username: 'mallory', password: 'evil password' });
    const planted = mallory.cookie ?? '';
    const victim = step.openBrowser();
    victim.plant(planted);
    await victim.logIn();
    expect(await victim.whoAmI()).toBe('demo');
    expect(victim.cookie).not.toBe(planted);
    expect((await replay(step.url, planted)).status).toBe(401);
  });

  test('answers 500 to a login when the session cannot be saved', async () => {
    const step = await startStep(name);
    await step.browser.logIn();
    failOn(step.store, 'set');
    const { status, text } = await step.openBrowser().logIn();
    expect(status).toBe(500);
    expect(text).not.toContain('disk');
  });

  test('answers 500 to a login when the old session cannot be deleted', async () => {
    const step = await startStep(name);
    await step.browser.logIn();
    failOn(step.store, 'destroy');
    expect((await step.browser.logIn()).status).toBe(500);
  });

  test('answers 500 to a logout when the session cannot be deleted, and keeps the cookie', async () => {
    const step = await startStep(name);
    await step.browser.logIn();
    failOn(step.store, 'destroy');
    expect((await step.browser.logOut()).status).toBe(500);
    expect(await step.browser.whoAmI()).toBe('demo');
  });

  test('accepts only cookies that are signed with its secret', async () => {
    const { browser, url, secret } = await startStep(name);
    await browser.logIn();
    const { sessionId } = browser;
    const statusFor = async (cookie: string) => (await replay(url, cookie)).status;
    expect(await statusFor(signedCookie(sessionId, secret))).toBe(200);
    expect(await statusFor(signedCookie(sessionId, 'another secret'))).toBe(401);
    expect(await statusFor(signedCookie('x'.repeat(32), secret))).toBe(401);
    expect(await statusFor(`sid=${sessionId}`)).toBe(401);
    expect(await statusFor('sid=%%%;;=')).toBe(401);
  });

  test('starts no session for a visitor', async () => {
    const { browser } = await startStep(name);
    for (const path of ['/', '/api/me', '/api/users', '/inspect', '/nowhere']) {
      expect((await browser.get(path)).headers).not.toHaveProperty('set-cookie');
    }
    expect((await browser.get('/inspect')).body.store.sessions).toBe(0);
  });

  test('neither saves the session nor sends the cookie again when you only read', async () => {
    const step = await startStep(name);
    await step.browser.logIn();
    const save = vi.spyOn(step.store, 'set');
    const { headers } = await step.browser.get('/api/me');
    expect(save).not.toHaveBeenCalled();
    expect(headers).not.toHaveProperty('set-cookie');
  });

  test('sends the page and its files without querying the store', async () => {
    const step = await startStep(name);
    await step.browser.logIn();
    const query = vi.spyOn(step.store, 'get');
    for (const path of ['/', '/page.js', '/page.css']) {
      expect((await step.browser.get(path)).status).toBe(200);
    }
    expect(query).not.toHaveBeenCalled();
  });

  test('shows at /inspect what the server remembers about you', async () => {
    const { browser } = await startStep(name);
    await browser.logIn();
    const { status, body } = await browser.get('/inspect');
    expect(status).toBe(200);
    expect(body).toMatchObject({ processId: process.pid, store: { sessions: 1 } });
  });

  test('sends every error as JSON', async () => {
    const { browser } = await startStep(name);
    const nowhere = await browser.get('/api/nowhere');
    const malformed = await browser.post('/api/login').type('json').send('{"username": "ada"');
    expect([nowhere.status, nowhere.body]).toEqual([404, { error: expect.any(String) }]);
    expect([malformed.status, malformed.body]).toEqual([400, { error: expect.any(String) }]);
  });

  test('lets no page of another site read its answers (CORS)', async () => {
    const { browser, url } = await startStep(name);
    const origin = 'http://evil.example';
    const answers = [
      await browser.get('/api/me').set('Origin', origin),
      await browser.logIn().set('Origin', origin),
      await request(url).options('/api/login').set('Origin', origin),
    ];
    for (const { headers } of answers) {
      expect(Object.keys(headers).join()).not.toContain('access-control-');
    }
  });

  test('believes no X-Forwarded header', async () => {
    const step = await startStep(name);
    const forged = { 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Proto': 'https' };
    await step.browser.get('/api/me').set(forged);
    const { ip, protocol } = step.lastRequest ?? {};
    expect({ ip, protocol }).toEqual({ ip: '127.0.0.1', protocol: 'http' });
  });
});

describe.each(steps.filter((name) => stepOf(name) < '08'))(
  'a login of step %s, whose cookie has a date,',
  (name) => {
    test('ends a day after your last request, also for a replayed cookie', async () => {
      const { browser, url } = await startStep(name);
      moveDate(0); // the clock stands still
      await browser.logIn();
      const { cookie = '' } = browser;
      moveDate(24 * HOUR - 60_000);
      expect((await replay(url, cookie)).status).toBe(200);
      moveDate(24 * HOUR + 60_000);
      expect((await replay(url, cookie)).status).toBe(401);
    });
  },
);

// That of step 06 is in its own folder.
describe.each(steps.filter((name) => stepOf(name) >= '07'))('an upload of step %s', (name) => {
  const passwordChange = stepOf(name) >= '08' ? [['a new password', '/api/password']] : [];

  test.each([
    ['a logout and a login', '/api/logout', '/api/login'],
    ['a login in another tab', '/api/login'],
    ...passwordChange,
  ])(
    'does not take a newer login away when its response comes after %s',
    async (_what, ...paths) => {
      const step = await startStep(name);
      // From step 08 on, only the cookie of a remembered session has a date, so only it is ever sent again.
      const body = { ...demo, remember: true, newPassword: 'a better password' };
      await step.browser.post('/api/login', body);
      const get = vi.spyOn(step.store, 'get');
      const upload = step.browser.post('/upload').type('text/plain');
      upload.write('half of the file, ');
      await expect.poll(() => get.mock.calls).toHaveLength(1); // its session is being loaded
      for (const path of paths) await step.browser.post(path, body);
      expect((await upload).status).toBe(204);
      expect(await step.browser.whoAmI()).toBe('demo');
    },
  );
});

/** Makes a method of the store fail as a store does: through the callback. */
function failOn(store: Store, method: 'set' | 'destroy'): void {
  captureErrorLog();
  vi.spyOn(store, method).mockImplementation((...args: unknown[]) => {
    const done = args.at(-1);
    if (typeof done === 'function') done(new Error('The disk is full.'));
  });
}
