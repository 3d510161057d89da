import { once } from 'node:events';
import express from 'express';
import { beforeAll, expect, test } from 'vitest';
import { send } from '#tests/requests.ts';
import { answerErrors } from './errors.ts';
import { ownPageOnly } from './own-page-only.ts';
import { closeServer } from './serve.ts';

let port: string;
beforeAll(async () => {
  const app = express().get('/', ownPageOnly, (_req, res) => {
    res.send('opened');
  });
  const server = app.use(answerErrors).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = String(Object(server.address()).port);
  return () => closeServer(server);
});

test.each([
  ['curl', {}],
  ['curl to localhost', { host: 'localhost:PORT' }],
  ['curl to another address of this machine', { host: '[::1]:PORT' }],
  ['an address typed into the browser', { 'sec-fetch-site': 'none' }],
  ['its own page', { origin: 'http://127.0.0.1:PORT', 'sec-fetch-site': 'same-origin' }],
])('answers %s', async (_who, headers) => {
  expect(await statusFor(headers)).toBe(200);
});

test.each([
  ['a name of an attacker that points at this machine', { host: 'evil.example:PORT' }],
  ['a name that begins like ours', { host: 'localhost.evil.example:PORT' }],
  ['a name that ends like ours', { host: 'evil-localhost:PORT' }],
  ['a name that contains our address', { host: '127.0.0.1.evil.example:PORT' }],
  ['a host with another port', { host: 'localhost:1' }],
  ['a host without a port', { host: 'localhost' }],
  ['the page of another site', { origin: 'http://evil.example' }],
  ['the page of another server on this machine', { origin: 'http://127.0.0.1:1' }],
  ['a page whose address begins like ours', { origin: 'http://127.0.0.1:PORT.evil.example' }],
  ['a page at our address, over HTTPS', { origin: 'https://127.0.0.1:PORT' }],
  ['a page without an origin of its own, such as a file', { origin: 'null' }],
  ['a page of another site that sends no origin', { 'sec-fetch-site': 'cross-site' }],
  ['a page of another port that sends no origin', { 'sec-fetch-site': 'same-site' }],
])('refuses %s', async (_who, headers) => {
  expect(await statusFor(headers)).toBe(403);
});

async function statusFor(headers: Record<string, string>): Promise<number> {
  const sent = JSON.stringify({ host: '127.0.0.1:PORT', ...headers }).replaceAll('PORT', port);
  return send('GET', `http://127.0.0.1:${port}/`, JSON.parse(sent));
}
