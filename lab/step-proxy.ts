import { Router } from 'express';
import { createProxyServer } from 'httpxy';
import { page } from '#steps/shared/page.ts';
import type { StepRunner } from './step-runner.ts';

/**
 * Forwards everything below `/01-in-memory/` to the server of that step.
 *
 * Cookies ignore ports: if the browser opened each step at its own port, each login would overwrite the
 * cookie of the one before. Behind the lab they share one origin, and the browser knows each cookie by a name
 * that begins with its step. So a step gets only its own, and none of a step that was started by hand.
 */
export function stepProxy(runner: StepRunner): Router {
  const { step } = runner.state;
  const path = `/${step}`;
  const prefix = `${step}.`;
  // A new connection for each request: a reused one would outlive the server at its other end.
  const proxy = createProxyServer({ agent: false, changeOrigin: true });
  proxy.on('proxyRes', ({ headers }) => {
    headers['set-cookie'] = headers['set-cookie']?.map((cookie) => prefix + cookie);
  });
  return Router()
    .use((req, res, next) => {
      if (req.originalUrl === path)
        res.redirect(308, `${path}/`); // the page's own addresses are relative to it
      else next();
    })
    .use(async (req, res, next) => {
      const target = runner.url;
      if (!target) return next();
      try {
        req.headers.origin &&= target; // the lab has checked it; the step knows only its own
        req.headers.cookie &&= ownCookies(req.headers.cookie, prefix);
        await proxy.web(req, res, { target });
      } catch {
        next(); // the server ended during the request
      }
    })
    .use(page) // the step's page also opens while the step is down, and says so
    .use((_req, res) => {
      if (res.headersSent) res.destroy();
      else res.status(502).json({ error: `The server of ${step} is down. Start it in the lab.` });
    });
}

/** @returns the cookies whose names begin with a prefix, without it. */
function ownCookies(cookies: string, prefix: string): string {
  const own = cookies.split('; ').filter((cookie) => cookie.startsWith(prefix));
  return own.map((cookie) => cookie.slice(prefix.length)).join('; ');
}
