import express from 'express';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { refuseOtherHosts, refuseOtherSites } from './other-sites.ts';

// Behind a proxy, which may pass on what the client has sent.
const app = appFor(['localhost', 'shop.example']);

describe('an attacker on another site', () => {
  test.each<[string, Record<string, string>]>([
    ['another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a sister domain', { 'Sec-Fetch-Site': 'same-site' }],
    ['another site, in an old browser', { Origin: 'https://evil.example' }],
    ['a page without an origin, in an old browser', { Origin: 'null' }],
    ['another port, in an old browser', { Origin: 'http://localhost:1' }],
    ['another protocol, in an old browser', { Origin: 'https://localhost' }],
  ])('cannot change anything from %s', async (_what, headers) => {
    for (const method of ['post', 'put', 'patch', 'delete'] as const) {
      const attack = request(app)
        [method]('/')
        .set({ Host: 'localhost', ...headers });
      expect((await attack).status).toBe(403);
    }
  });

  test('is refused, but our own page, a bookmark, old browsers and programs are not', async () => {
    const sites = ['same-origin', 'none'].map((site) => ({ 'Sec-Fetch-Site': site }));
    for (const headers of [...sites, { Origin: 'http://localhost' }, {}]) {
      const answer = await request(app)
        .post('/')
        .set({ Host: 'localhost', ...headers });
      expect(answer.status).toBe(200);
    }
  });

  test('may link to this site', async () => {
    const headers = { Host: 'localhost', 'Sec-Fetch-Site': 'cross-site' };
    expect((await request(app).get('/').set(headers)).status).toBe(200);
  });

  test('is refused with a Host that is no part of a URL as well, without an error of ours', async () => {
    const headers = { Host: 'localhost:99999', Origin: 'http://localhost' };
    expect((await request(app).post('/').set(headers)).status).toBe(403);
  });
});

describe('an attacker whose domain points at this machine (DNS rebinding)', () => {
  test('gets no answer, but this machine by its own names does', async () => {
    const local = appFor(undefined);
    expect(await statusOf('evil.example', local)).toBe(421);
    for (const host of ['localhost', '127.0.0.1:3000', '[::1]:3000']) {
      expect(await statusOf(host, local)).toBe(200);
    }
  });

  test('cannot use any other host name than those in the list', async () => {
    expect(await statusOf('shop.example:8080')).toBe(200);
    expect(await statusOf('evil.example')).toBe(421);
    expect(await statusOf('shop.example.evil.example')).toBe(421);
    expect(await statusOf('127.0.0.1')).toBe(421);
  });

  test('cannot make another host ours with X-Forwarded-Host', async () => {
    const headers = { Host: 'evil.example', 'X-Forwarded-Host': 'localhost' };
    expect((await request(app).get('/').set(headers)).status).toBe(421);
  });
});

/** A server that does whatever it is asked, unless these two refuse it. */
function appFor(hosts: string[] | undefined) {
  return express()
    .set('trust proxy', 'loopback')
    .use(refuseOtherHosts(hosts), refuseOtherSites, (_req, res) => res.send('done'));
}

async function statusOf(host: string, server = app): Promise<number> {
  return (await request(server).get('/').set('Host', host)).status;
}
