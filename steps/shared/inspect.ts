import type { RequestHandler } from 'express';
import { countStored, readStored } from './stored.ts';
import { findUserData } from './user-data.ts';

/**
 * `GET /inspect`: what the server remembers about this browser, for looking inside while you learn.
 * Comes after the session middleware. With NODE_ENV=production it does not exist.
 */
export const inspect: RequestHandler = async (req, res, next) => {
  if (req.path !== '/inspect' || req.method !== 'GET' || req.app.get('env') === 'production') {
    next();
    return;
  }
  const { step, title, startedAt } = req.app.locals;
  const stored = await readStored(req.sessionStore, req.sessionID);
  const memory = {
    step,
    title,
    processId: process.pid,
    startedAt,
    store: {
      name: req.sessionStore.constructor.name,
      sessions: await countStored(req.sessionStore),
    },
    // Shortened: who has a whole session id is as good as logged in, and scripts must not get at it.
    sessionId: stored ? `${req.sessionID.slice(0, 8)}…` : null,
    session: stored?.session ?? null,
    userData: findUserData(stored?.session),
    row: stored?.row ?? null,
  };
  res.type('json').send(`${JSON.stringify(memory, null, 2)}\n`);
};
