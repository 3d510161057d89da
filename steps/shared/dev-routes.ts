import { type Request, type RequestHandler, Router } from 'express';
import { createError } from './errors.ts';
import { ownPageOnly } from './own-page-only.ts';
import { readStore } from './store-contents.ts';
import { findUserData } from './user-data.ts';

declare module 'express-session' {
  interface SessionData {
    /** A message for the next page that the user sees. */
    flash: string;
  }
}

/** The answer of `GET /inspect`. */
export type Inspection = Awaited<ReturnType<typeof readInspection>>;

const inspect: RequestHandler = async (req, res) => {
  const inspection = await readInspection(req);
  Reflect.deleteProperty(req, 'session'); // express-session then neither saves nor touches it
  res.type('json').send(`${JSON.stringify(inspection, null, 2)}\n`);
};

async function readInspection(req: Request) {
  const { step, title, startedAt } = req.app.locals;
  await Object(req.sessionStore).ready; // the store of connect-session-knex has created its table by then
  const { session, row, ...store } = await readStore(req.sessionStore, req.sessionID);
  return {
    step,
    title,
    processId: process.pid,
    startedAt,
    store: { name: req.sessionStore.constructor.name, ...store },
    cookie: sessionCookie(req),
    sessionId: session && shorten(req.sessionID),
    session,
    row: row && { ...row, sid: shorten(row.sid) },
    userData: findUserData(session),
  };
}

const upload: RequestHandler = async (req, res) => {
  if (Object.keys(req.session).length < 2) throw createError(401, 'Log in first.'); // only a cookie
  let bytes = 0;
  for await (const chunk of req) bytes += chunk.length;
  req.session.flash = `Your upload of ${bytes} bytes is complete.`;
  res.status(204).end();
};

const notInProduction: RequestHandler = (req, _res, next) => {
  if (req.app.get('env') === 'production') next('router');
  else next();
};

/**
 * For trying things out while you learn; not in production, and not for other websites.
 *
 * - `GET /inspect`: what the server remembers about this browser. It changes nothing, not even the session's
 *   expiry.
 * - `POST /upload`: reads a body and discards it, however long the client takes to send it; then leaves a message
 *   in the session.
 *
 * Both need the session, so they come after the session middleware.
 */
export const devRoutes = Router()
  .get('/inspect', notInProduction, ownPageOnly, inspect)
  .post('/upload', notInProduction, ownPageOnly, upload);

/** A session id is a bearer credential: whoever has it is logged in. So scripts see only its beginning. */
function shorten(sessionId: string): string {
  return `${sessionId.slice(0, 8)}…`;
}

/** The session cookie as the browser sent it, shortened. The session it names may be gone. */
function sessionCookie({ headers: { cookie = '' } }: Request) {
  const [, name, id] = /(?:^|;\s*)([\w-]*\bsid)=s(?::|%3A)([^.;]+)\./i.exec(cookie) ?? [];
  return name && id ? { name, value: `s:${shorten(id)}` } : null;
}
