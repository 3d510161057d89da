import express from 'express';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { refusePlainHttp, refuseTossedCookies, sessionCookie } from './cookie.ts';

// Behind a proxy on the same machine that ends TLS.
const app = express()
  .set('trust proxy', 'loopback')
  .use(refuseTossedCookies('sid'), refusePlainHttp, (_req, res) => res.send('done'));

describe('an attacker on a sister domain', () => {
  test.each(['sid=tossed; sid=own', 'sid=own;sid=tossed', 'a=b; sid=own; c=d; sid='])(
    'cannot toss a second cookie of the same name: %s',
    async (cookie) => {
      expect((await request(app).get('/').set('Cookie', cookie)).status).toBe(400);
    },
  );

  test.each(['sid=own', 'sid=own; side=other; xsid=sid=x'])('is not in %s', async (cookie) => {
    expect((await request(app).get('/').set('Cookie', cookie)).status).toBe(200);
  });
});

describe('in production, a login without TLS', () => {
  const https = { 'X-Forwarded-Proto': 'https' };
  const client = { 'X-Forwarded-For': '192.0.2.1' };

  test.each<[string, number, Record<string, string>]>([
    ['that reaches the server directly is refused', 403, {}],
    ['at the proxy is refused', 403, client],
    ['behind a proxy that does not say who the client is is refused', 403, https],
    [
      'behind a proxy with TLS that says who the client is is accepted',
      200,
      { ...https, ...client },
    ],
  ])('%s', async (_what, status, headers) => {
    expect((await request(app).post('/').set(headers)).status).toBe(status);
  });

  test('is told why', async () => {
    expect((await request(app).post('/')).text).toContain('HTTPS');
  });
});

test('the cookie is for this host and HTTPS only, and for no script', () => {
  const { name, cookie } = sessionCookie(true);
  expect(name).toBe('__Host-sid');
  expect(cookie).toEqual({ httpOnly: true, sameSite: 'lax', secure: true, path: '/' });
});
