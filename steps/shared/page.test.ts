import express from 'express';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { chapterRoutes } from './chapter.ts';
import { page } from './page.ts';

const app = express().use(page);

describe('the page', () => {
  test('uses only its own files, at relative addresses', async () => {
    const { status, type, text } = await request(app).get('/');
    expect([status, type]).toEqual([200, 'text/html']);
    const files = [...text.matchAll(/<(?:link|script)[^>]+(?:href|src)="([^"]+)"/g)].map(
      ([, file]) => file,
    );
    expect(files).toContain('page.js');
    for (const file of files) {
      expect(file).toMatch(/^[\w.]+$/);
      expect((await request(app).get(`/${file}`)).status, file).toBe(200);
    }
  });

  test.each(['/', '/page.js', '/page.css'])('protects %s with headers', async (path) => {
    const { headers } = await request(app).get(path);
    const policy = String(headers['content-security-policy']).split('; ');
    const directives = Object.fromEntries(policy.map((line) => line.split(/ (.*)/)));
    expect(directives).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'connect-src': "'self'",
      'img-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'self'",
      'frame-ancestors': "'none'", // or another site could lay it under a page of its own (clickjacking)
    });
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
  });

  test('leads to the chapter about its step, and to the code that it links to, and to nothing else', async () => {
    const chapter = request(express().use(chapterRoutes('03-knex-sqlite')));
    const { location } = (await chapter.get('/chapter')).headers;
    expect((await chapter.get(`/${location}`)).text).toMatch(/<h1 id="step-3-[\w-]+">Step 3: /);
    expect((await chapter.get('/text/steps/03-knex-sqlite/app.ts')).type).toBe('text/plain');
    for (const path of ['package.json', 'steps/..%2fpackage.json', 'database/03.sqlite3']) {
      expect((await chapter.get(`/text/${path}`)).status).toBe(404);
    }
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
