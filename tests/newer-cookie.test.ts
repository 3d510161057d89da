import express from 'express';
import session from 'express-session';
import request from 'supertest';
import { expect, test } from 'vitest';
import { keepNewerCookie } from '#steps/06-logout-wins/newer-cookie.ts';
import { HOUR } from './clock.ts';

test('keepNewerCookie drops the cookie of the session that the browser sent, even under a new secret, and no other', async () => {
  const store = new session.MemoryStore();
  /** @returns the cookies of a response to a request that changes the session. */
  const visit = async (secret: string[], sent = ''): Promise<string[]> => {
    const options = { store, secret, name: 'sid', resave: false, saveUninitialized: false };
    const app = express().use(keepNewerCookie('sid'));
    app.use(session({ ...options, cookie: { maxAge: HOUR } }), (req, res) => {
      Object.assign(req.session, { lastVisit: performance.now() });
      res.cookie('theme', 'dark').end();
    });
    const { headers } = await request(app).get('/').set('Cookie', sent);
    return [headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';')[0] ?? '');
  };
  const cookies = await visit(['old']);
  expect(cookies).toEqual(['theme=dark', expect.stringMatching(/^sid=/)]);
  expect(await visit(['old'], cookies.join('; '))).toEqual(['theme=dark']);
  expect(await visit(['new', 'old'], cookies.join('; '))).toEqual(['theme=dark']);
  expect(await visit(['new'], cookies.join('; ')), 'a new session').toHaveLength(2);
});
