import express from 'express';
import request from 'supertest';
import { expect, test } from 'vitest';
import { noStore, securityHeaders } from './headers.ts';

const app = express().use(securityHeaders, noStore, (_req, res) => res.send('done'));

test('no site can frame an answer, run a script in it, or take it for another type', async () => {
  const { headers } = await request(app).get('/');
  const policy = headers['content-security-policy'];
  expect(policy).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
  expect(headers).not.toHaveProperty('x-powered-by');
});

test('no cache keeps an answer that may set a cookie', async () => {
  const { headers } = await request(app).get('/');
  expect(headers).toMatchObject({ 'cache-control': 'no-store' });
});
