import express from 'express';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { page } from '#steps/shared/page.ts';

const app = express().use(page);

describe('the page', () => {
  test('uses only its own files, at relative addresses', async () => {
    const { status, type, text } = await request(app).get('/');
    expect([status, type]).toEqual([200, 'text/html']);
    const files = [...text.matchAll(/<(?:link|script)[^>]+(?:href|src)="(?!data:)([^"]+)"/g)].map(
      ([, file]) => file,
    );
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

  test('serves the chapter about its step as text, except in production', async () => {
    const chapterIn = (env: string, step: string) => {
      const ofStep = express().set('env', env).use(page);
      ofStep.locals.step = step;
      return request(ofStep).get('/chapter');
    };
    const { status, type, text } = await chapterIn('development', '03-knex-sqlite');
    expect([status, type]).toEqual([200, 'text/plain']);
    expect(text.match(/^## .*/gm)).toEqual([expect.stringMatching(/^## 3\. /)]);
    expect((await chapterIn('production', '03-knex-sqlite')).status).toBe(404);
    expect((await chapterIn('development', 'practice')).status).toBe(404);
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
