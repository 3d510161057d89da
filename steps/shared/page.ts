import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import express, { type RequestHandler } from 'express';

/** The folder that holds the page. */
export const pageFolder = join(import.meta.dirname, 'page');

/** Headers for a page that may load its own files and query its own server, and nothing else. */
export const pageHeaders = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

const files = express.static(pageFolder, {
  setHeaders: (res) => res.setHeaders(new Map(Object.entries(pageHeaders))),
});

/** `GET /`: the page and its files. `GET /chapter`: the chapter about the step; not in production. */
export const page: RequestHandler = async (req, res, next) => {
  if (req.path.startsWith('/api/'))
    next(); // not a file, so do not look for one on the disk
  else if (req.path === '/chapter') await sendChapter(req, res, next);
  else files(req, res, next);
};

const sendChapter: RequestHandler = async (req, res, next) => {
  const isProduction = req.app.get('env') === 'production';
  const chapter = isProduction ? undefined : await readChapter(req.app.locals.step);
  if (chapter) res.set(pageHeaders).type('text').send(chapter);
  else next();
};

/** @returns the chapter about a step, as Markdown; undefined when there is none. */
async function readChapter(step = ''): Promise<string | undefined> {
  const tutorial = await readFile(join(import.meta.dirname, '../../TUTORIAL.md'), 'utf8');
  const heading = `## ${Number.parseInt(step, 10)}. `;
  return tutorial.split(/^(?=## )/m).find((chapter) => chapter.startsWith(heading));
}
