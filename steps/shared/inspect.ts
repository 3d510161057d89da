import type { RequestHandler } from 'express';
import { countStored, readStored, tableOf } from './stored.ts';
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
      table: tableOf(req.sessionStore) ?? null,
      sessions: await countStored(req.sessionStore),
    },
    cookie: sessionCookie(req.headers.cookie),
    sessionId: stored ? shorten(req.sessionID) : null,
    session: stored?.session ?? null,
    row: stored?.row ? { ...stored.row, sid: shorten(stored.row.sid) } : null,
    userData: findUserData(stored?.session),
  };
  res.type('json').send(`${JSON.stringify(memory, null, 2)}\n`);
};

/** Who has a whole session id is as good as logged in, and scripts must not get at it. */
function shorten(sessionId: string): string {
  return `${sessionId.slice(0, 8)}…`;
}

/** The session cookie as the browser sent it, shortened. It may name a session that is no more. */
function sessionCookie(header = ''): { name: string; value: string } | null {
  const [, name, id] = /(?:^|;\s*)([\w-]*\bsid)=s(?::|%3A)([^.;]+)\./i.exec(header) ?? [];
  return name && id ? { name, value: `s:${shorten(id)}` } : null;
}
