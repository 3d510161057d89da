import { type Request, type RequestHandler, Router } from 'express';
import { createProxyServer } from 'httpxy';
import { page } from '#steps/shared/page.ts';
import type { StepRunner } from './step-runner.ts';

// A connection for each request: one that is kept would outlive the server at its other end.
const proxy = createProxyServer({ agent: false, changeOrigin: true });

/**
 * The way into a step's server: everything below `/01-in-memory/` goes there.
 *
 * Cookies do not know ports. Were the steps opened at their own ports, each login would overwrite the
 * one before it, in the same cookie of 127.0.0.1. Behind the lab they have one origin, and each cookie
 * is given the path of its step; so the browser sends it back to that step only.
 */
export function door(runner: StepRunner): Router {
  const { step } = runner.state;
  const path = `/${step}`;
  return Router()
    .use((req, res, next) => {
      if (isBare(req, path))
        res.redirect(308, `${path}/`); // what the page names lies below it
      else next();
    })
    .use(async (req, res, next) => {
      const target = runner.url;
      if (!target) return next();
      try {
        await proxy.web(req, res, { target, cookiePathRewrite: path });
      } catch {
        next(); // it went away under the request
      }
    })
    .use(page) // so that the step's page opens while the step is down, and says so
    .use(isDown(step));
}

function isBare(req: Request, path: string): boolean {
  return req.originalUrl === path;
}

function isDown(step: string): RequestHandler {
  return (_req, res) => {
    if (res.headersSent) res.destroy();
    else res.status(502).json({ error: `The server of ${step} is down. Start it in the lab.` });
  };
}
