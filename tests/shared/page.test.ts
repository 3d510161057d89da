import express from 'express';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { page } from '#steps/shared/page.ts';

const app = express().use(page);

describe('the page', () => {
  test('uses only its own files, at relative addresses', async () => {
    const { status, type, text } = await request(app).get('/');
    expect([status, type]).toEqual([200, 'text/html']);
    const files = [...text.matchAll(/(?:href|src)="(?!data:)([^"]+)"/g)].map(([, file]) => file);
    expect(files).toContain('page.js');
    for (const file of files) {
      expect(file, 'an address that is not relative').toMatch(/^[\w.]+$/);
      expect((await request(app).get(`/${file}`)).status, file).toBe(200);
    }
  });

  test.each(['/', '/page.js', '/page.css'])('protects %s with headers', async (path) => {
    const { headers } = await request(app).get(path);
    const policy = String(headers['content-security-policy']).split('; ');
    const directives = Object.fromEntries(policy.map((line) => line.split(/ (.*)/)));
    expect(directives, 'the Content-Security-Policy allows more than the page needs').toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'connect-src': "'self'",
      'img-src': "'self' data:",
      'base-uri': "'none'",
      'form-action': "'self'",
      'frame-ancestors': "'none'", // or another site could lay it under a page of its own (clickjacking)
    });
    expect(headers['x-content-type-options'], 'browsers may guess types').toBe('nosniff');
    expect(headers['referrer-policy'], 'links tell other sites the address').toBe('no-referrer');
  });

  test('leaves addresses that are not files to the routes after it', async () => {
    const withRoute = express()
      .use(page)
      .get(['/api/me', '/inspect'], (_req, res) => {
        res.send('a route');
      });
    for (const path of ['/api/me', '/inspect']) {
      expect((await request(withRoute).get(path)).text).toBe('a route');
    }
  });
});
