import cluster from 'node:cluster';
import { type Request, type RequestHandler, Router } from 'express';
import { createError } from './errors.ts';
import { ownPageOnly } from './own-page-only.ts';
import { countSessions, readSession, tableOf } from './store-contents.ts';
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
  const { step, title, startedAt, hasDevices = false, cookieNote = '' } = req.app.locals;
  const stored = await readSession(req.sessionStore, req.sessionID);
  return {
    step,
    title,
    processId: process.pid,
    firstProcessId: cluster.isWorker ? process.ppid : process.pid, // a new one means a restart
    startedAt,
    store: {
      name: req.sessionStore.constructor.name,
      table: tableOf(req.sessionStore) ?? null,
      sessions: await countSessions(req.sessionStore),
    },
    cookie: sessionCookie(req),
    cookieNote: String(cookieNote),
    hasDevices: Boolean(hasDevices),
    sessionId: stored ? shorten(req.sessionID) : null,
    session: stored?.session ?? null,
    row: stored?.row ? { ...stored.row, sid: shorten(stored.row.sid) } : null,
    userData: findUserData(stored?.session),
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
