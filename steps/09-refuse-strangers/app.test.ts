import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import express from 'express';
import request from 'supertest';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SessionStore } from '#steps/08-revoke-sessions/store.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { start } from '#tests/step.ts';
import { replay, signedCookie } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { Users } from './users.ts';

const parts = { openDatabase, SessionStore, Users };

test('still knows you after a restart', async () => {
  const step = await start(createApp, { openDatabase, SessionStore, Users });
  await step.browser.logIn();
  await step.restart();
  expect(await step.browser.whoAmI()).toBe('demo');
});

describe('controls: the same restart forgets you when', () => {
  test('the secret has changed', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    await step.restart({ secret: 'a secret made anew at each start' });
    expect(await step.browser.whoAmI()).toBeUndefined();
  });

  test('the database file was deleted', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    await step.stop();
    await rm(step.file);
    await step.start();
    expect(await step.browser.whoAmI()).toBeUndefined();
  });
});

describe('a new secret, put before the old one in the list', () => {
  test('logs nobody out', async () => {
    const step = await start(createApp, parts);
    await step.browser.logIn();
    await step.restart({ secret: `a newer secret,${step.secret}` });
    expect(await step.browser.whoAmI()).toBe('demo');
  });

  test('signs the cookies from then on, so the old one can be dropped', async () => {
    const step = await start(createApp, parts);
    const before = step.openBrowser();
    await before.logIn();
    await step.restart({ secret: `a newer secret,${step.secret}` });
    await step.browser.logIn();
    await step.restart({ secret: 'a newer secret' });
    expect(await step.browser.whoAmI()).toBe('demo');
    expect(await before.whoAmI()).toBeUndefined();
  });
});

describe('an attacker on another site', () => {
  const headers = { 'Sec-Fetch-Site': 'cross-site' };

  test('cannot change anything, wherever the request goes', async () => {
    const { browser } = await start(createApp, parts);
    await browser.logIn();
    const { password } = demo;
    for (const attack of [
      browser.post('/api/logout'),
      browser.logIn(),
      browser.register({ username: 'eve', password: 'evil password' }),
      browser.post('/api/password', { password, newPassword: 'evil password' }),
      browser.delete('/api/sessions'),
      browser.delete('/api/account', { password }),
    ]) {
      const answer = await attack.set(headers);
      expect(answer.status).toBe(403);
      expect(answer.headers).not.toHaveProperty('set-cookie');
    }
    expect(await browser.whoAmI()).toBe('demo');
  });

  test('gets no answer with a domain that points at this machine (DNS rebinding), not even the page', async () => {
    const { url } = await start(createApp, parts);
    for (const path of ['/', '/inspect', '/api/me']) {
      expect((await request(url).get(path).set('Host', 'evil.example')).status).toBe(421);
    }
  });

  test('or by any name that ALLOWED_HOSTS does not list', async () => {
    const hosts = ['shop.example'];
    const { url } = await start((parts) => createApp({ ...parts, hosts }), parts);
    expect((await request(url).get('/').set('Host', 'shop.example')).status).toBe(200);
    expect((await request(url).get('/').set('Host', 'localhost')).status).toBe(421);
  });
});

describe('an attacker who plants or forges a cookie', () => {
  test('is refused when a sister domain has set a second cookie of the same name', async () => {
    const { browser, url } = await start(createApp, parts);
    await browser.logIn();
    const cookies = `${signedCookie('tossed', 'x')}; ${browser.cookie}`;
    expect((await replay(url, cookies)).status).toBe(400);
  });

  test('cannot guess an id: each is new, and has 192 random bits', async () => {
    const { browser } = await start(createApp, parts);
    const ids = new Set<string>();
    for (let login = 0; login < 10; login++) {
      await browser.logIn();
      ids.add(browser.sessionId);
    }
    expect(ids.size).toBe(10);
    for (const id of ids) expect(id).toMatch(/^[\w-]{32}$/); // 24 bytes as base64url
  });

  test('causes no query, however many forged cookies are sent', async () => {
    const { browser, url, parts: running } = await start(createApp, parts);
    await browser.logIn();
    const query = vi.spyOn(running.store, 'get');
    for (const secret of ['', 'another secret']) {
      await replay(url, signedCookie(browser.sessionId, secret));
    }
    await replay(url, `sid=${browser.sessionId}`);
    expect(query).not.toHaveBeenCalled();
  });

  test('gains nothing with an id in the URL', async () => {
    const { browser, url } = await start(createApp, parts);
    await browser.logIn();
    expect((await request(url).get(`/api/me?${browser.cookie}`)).status).toBe(401);
    expect((await request(url).get(`/api/me;${browser.cookie}`)).status).toBe(404);
  });
});

test.each(['/', '/page.js', '/api/me', '/nowhere'])(
  'no site can frame the answer to %s, run a script in it, or take it for another type',
  async (path) => {
    const { browser } = await start(createApp, parts);
    const { headers } = await browser.get(path);
    const policy = headers['content-security-policy'];
    expect(policy).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    expect(headers).not.toHaveProperty('x-powered-by');
  },
);

test('no cache keeps an answer that sets a cookie', async () => {
  const { browser } = await start(createApp, parts);
  const body = { password: demo.password, newPassword: 'a better password' };
  for (const answer of [
    await browser.logIn(),
    await browser.post('/api/password', body),
    await browser.logOut(),
  ]) {
    expect(answer.headers).toMatchObject({
      'set-cookie': expect.anything(),
      'cache-control': 'no-store',
    });
  }
});

describe('an attacker who reads the network', () => {
  test('finds no cookie of a login without TLS, which is refused, and told why', async () => {
    const { browser } = await start((parts) => createApp({ ...parts, production: true }), parts);
    const { status, headers, body } = await browser.logIn();
    expect(status).toBe(403);
    expect(headers).not.toHaveProperty('set-cookie');
    expect(body.error).toContain('HTTPS');
  });

  test.each(['__Host-sid', '__Host-device'])(
    'finds no %s: it is sent only to this host, only over HTTPS, and no script can read it',
    async (name) => {
      const agent = await startWithHttps();
      const { headers } = await agent.post('/api/login').send(demo);
      const cookies = [headers['set-cookie'] ?? []].flat();
      const cookie = cookies.find((cookie) => cookie.startsWith(`${name}=`)) ?? '';
      const attributes = cookie.split('; ').slice(1).sort();
      const notDates = attributes.filter((attribute) => !/^(Expires|Max-Age)=/.test(attribute));
      expect(notDates).toEqual(['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure']);
    },
  );

  test('is not in the way of users, who log in and out over HTTPS', async () => {
    const agent = await startWithHttps();
    expect((await agent.post('/api/login').send(demo)).status).toBe(200);
    expect((await agent.get('/api/me')).body).toEqual({ username: 'demo' });
    expect((await agent.post('/api/logout')).status).toBe(204);
    expect((await agent.get('/api/me')).status).toBe(401);
  });
});

/** The step in production, where TLS ends in this server. @returns a browser that trusts the certificate of the tests */
async function startWithHttps() {
  let app = express();
  await start((parts) => {
    app = createApp({ ...parts, production: true });
    return app;
  }, parts);
  const pem = await readFile(join(import.meta.dirname, '../../tests/localhost.pem'));
  const server = createServer({ key: pem, cert: pem }, app).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  return request.agent(server, { ca: pem });
}
