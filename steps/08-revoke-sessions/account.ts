import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { reason } from '#database/errors.ts';
import type { Credentials, User } from '#database/users.ts';
import { type Guard, password, readBody } from '#steps/shared/accounts.ts';
import { createError } from '#steps/shared/errors.ts';
import type { UserSessions } from './user-sessions.ts';
import type { Users } from './users.ts';

// The attack: a thief who has your session, or knew your password, stays logged in even after you have noticed.

const change = z.object(
  { password, newPassword: password },
  'Send a JSON object with both passwords.',
);
const proof = z.object({ password }, 'Send a JSON object with your password.');

interface Parts {
  users: Users;
  sessions: UserSessions;
  requireLogin: Guard;
  /** Checks a password. By default, at once. */
  verify?(req: Request, given: Credentials): Promise<User | undefined>;
  /** What else happens when a session begins. By default, nothing. */
  onLogin?(req: Request, res: Response, user: User): void;
}

/** What users can do with their account: see and end their sessions, change the password, delete it. */
export function accountRoutes(parts: Parts) {
  const { users, sessions, requireLogin, onLogin } = parts;
  const { verify = (_req, given) => users.verify(given) } = parts;
  const routes = Router({ strict: true });

  routes.get('/api/sessions', requireLogin, async (req, res) => {
    res.json({ sessions: await sessions.list(res.locals.user.id, req.sessionID) });
  });

  routes.delete('/api/sessions/:id', requireLogin, async (req, res) => {
    const ended = await sessions.end(res.locals.user.id, req.params.id ?? '');
    if (!ended) throw createError(404, 'You have no session with that id.');
    res.status(204).end();
  });

  routes.delete('/api/sessions', requireLogin, async (req, res) => {
    await sessions.endOthers(res.locals.user.id, req.sessionID);
    res.status(204).end();
  });

  routes.post('/api/password', requireLogin, async (req: Request, res: Response) => {
    const { password, newPassword } = readBody(req, change);
    const { id, username } = res.locals.user;
    if (!(await verify(req, { username, password })))
      throw createError(401, 'The password is wrong.');
    await users.setPassword(id, newPassword, (knex) => sessions.endAll(id, req.sessionID, knex));
    await beginAgain(req, res, id);
    res.status(204).end();
  });

  routes.delete('/api/account', requireLogin, async (req: Request, res: Response) => {
    const { password } = readBody(req, proof);
    const { id, username } = res.locals.user;
    if (!(await verify(req, { username, password })))
      throw createError(401, 'The password is wrong.');
    await users.remove(id, (knex) => sessions.endAll(id, req.sessionID, knex));
    res.status(204).end();
  });

  /** The password has changed even if this fails: then the user has to log in again. */
  async function beginAgain(req: Request, res: Response, userId: number): Promise<void> {
    try {
      const user = await users.findById(userId);
      if (!user) return;
      await sessions.begin(req, user, req.session.remember === true);
      onLogin?.(req, res, user);
    } catch (error) {
      console.error(`Could not start a new session after a password change: ${reason(error)}`);
    }
  }

  return routes;
}
