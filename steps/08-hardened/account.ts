import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Knex } from 'knex';
import { z } from 'zod';
import { reason } from '#database/open.ts';
import type { User, Users } from '#database/users.ts';
import { password, readBody } from '#steps/shared/accounts.ts';
import { createError } from '#steps/shared/errors.ts';
import type { Guard } from '#steps/shared/guard.ts';
import type { Devices } from './devices.ts';
import type { KnownDevices } from './known-device.ts';

// The attack: a thief who has your session, or knew your password, stays logged in even after you have noticed.

const change = z.object(
  { password, newPassword: password },
  'Send a JSON object with both passwords.',
);
const proof = z.object({ password }, 'Send a JSON object with your password.');

interface Parts {
  users: Users;
  devices: Devices;
  known: KnownDevices;
  requireLogin: Guard;
  slowDown: RequestHandler[];
  beginSession(req: Request, user: User, remember: boolean): Promise<void>;
}

/** What users can do with their account: see and end their sessions, change the password, delete it. */
export function accountRoutes(parts: Parts) {
  const { users, devices, known, requireLogin, slowDown, beginSession } = parts;
  const routes = Router({ strict: true });

  routes.get('/api/sessions', requireLogin, async (req, res) => {
    res.json({ sessions: await devices.list(res.locals.user.id, req.sessionID) });
  });

  routes.delete('/api/sessions/:id', requireLogin, async (req, res) => {
    const ended = await devices.end(res.locals.user.id, req.params.id ?? '');
    if (!ended) throw createError(404, 'You have no session with that id.');
    res.status(204).end();
  });

  routes.delete('/api/sessions', requireLogin, async (req, res) => {
    await devices.endOthers(res.locals.user.id, req.sessionID);
    res.status(204).end();
  });

  routes.post('/api/password', requireLogin, ...slowDown, async (req: Request, res: Response) => {
    const { password, newPassword } = readBody(req, change);
    const user = await users.verify({ username: res.locals.user.username, password });
    if (!user) throw createError(401, 'The password is wrong.');
    const endAll = (knex: Knex) => devices.endAll(user.id, req.sessionID, knex);
    await users.setPassword(user.id, newPassword, endAll);
    await beginAgain(req, res, user.id);
    res.status(204).end();
  });

  routes.delete('/api/account', requireLogin, ...slowDown, async (req: Request, res: Response) => {
    const { password } = readBody(req, proof);
    const user = await users.verify({ username: res.locals.user.username, password });
    if (!user) throw createError(401, 'The password is wrong.');
    await users.remove(user.username, (knex) => devices.endAll(user.id, req.sessionID, knex));
    res.status(204).end();
  });

  /** The password has changed even if this fails: then the user has to log in again. */
  async function beginAgain(req: Request, res: Response, userId: number): Promise<void> {
    try {
      const user = await users.findById(userId);
      if (!user) return;
      await beginSession(req, user, Boolean(req.session.cookie.expires));
      known.remember(req, res, user);
    } catch (error) {
      console.error(`Could not start a new session after a password change: ${reason(error)}`);
    }
  }

  return routes;
}
