import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Router } from 'express';
import { pageHeaders } from './page.ts';

const root = resolve(import.meta.dirname, '../..');

/**
 * For development: `GET /chapter` leads to the chapter of a step, below `/text/`, where the pages of the tutorial are, and
 * the code and the pictures that they link to.
 */
export function chapterRoutes(step: string): Router {
  return Router()
    .get('/chapter', (_req, res) => res.redirect(`text/steps/${step}/README.md`))
    .get(/^\/text\/((steps|docs)\/[\w/-]+\.md|[A-Z]+\.md)$/, async (req, res, next) => {
      const path = req.params[0] ?? '';
      const markdown = await readFile(join(root, path), 'utf8').catch(() => undefined);
      if (markdown === undefined) return next();
      const [{ Marked }, { gfmHeadingId }] = await Promise.all([
        import('marked'), // these are development dependencies
        import('marked-gfm-heading-id'),
      ]);
      const style = `${'../'.repeat(path.split('/').length)}chapter.css`;
      const head = `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="stylesheet" href="${style}">`;
      const body = `<main>${await new Marked(gfmHeadingId()).parse(markdown)}</main>`;
      res
        .set(pageHeaders)
        .type('html')
        .send(head + body);
    })
    .get(
      /^\/text\/((steps|database|docs|tests|tools|lab)\/[\w./-]+\.(ts|js|json|jpg|svg))$/,
      (req, res) => {
        const path = req.params[0] ?? '';
        if (!/\.(jpg|svg)$/.test(path)) res.type('text');
        res.set(pageHeaders).sendFile(path, { root });
      },
    );
}
