import express from 'express';
import session from 'express-session';
import { z } from 'zod';
import { answerUnavailable } from '#steps/05-failing-database/unavailable.ts';
import { keepNewerCookie } from '#steps/06-logout-wins/newer-cookie.ts';
import { credentials, type Guard, readBody, register } from '#steps/shared/accounts.ts';
import { devRoutes } from '#steps/shared/dev-routes.ts';
import { answerErrors, createError } from '#steps/shared/errors.ts';
import { page } from '#steps/shared/page.ts';
import { accountRoutes } from './account.ts';
import type { SessionStore } from './store.ts';
import { UserSessions } from './user-sessions.ts';
import type { Users } from './users.ts';

const login = credentials.extend({
  remember: z.boolean('remember is true or false.').default(false),
});

type Parts = { store: SessionStore; users: Users; secret: string };

export function createApp({ store, users, secret }: Parts) {
  const sessions = new UserSessions(store, users);
  const app = express();
  app.use(page, express.json()); // static page first: viewing it creates no session

  // Gives every request a req.session. The cookie has no date: the server decides when a session ends.
  const cookie = { httpOnly: true, sameSite: 'lax' } as const;
  app.use(keepNewerCookie('sid'));
  app.use(session({ store, name: 'sid', secret, cookie, resave: false, saveUninitialized: false }));

  app.post('/api/register', register(users));

  app.post('/api/login', async (req, res) => {
    const { remember, ...given } = readBody(req, login);
    const user = await users.verify(given);
    if (!user) throw createError(401, 'The username or the password is wrong.');
    await sessions.begin(req, user, remember);
    res.json({ username: user.username });
  });

  app.post('/api/logout', (req, res, next) => {
    req.session.destroy((error) => {
      if (error) return next(error);
      res.clearCookie('sid', cookie).status(204).end();
    });
  });

  // The guard reads the user on every request, so a new name or a deletion takes effect at once.
  const requireLogin: Guard = async (req, res, next) => {
    const user = await users.findById(req.session.userId);
    if (!user) throw createError(401, 'Log in first.');
    res.locals.user = user;
    next();
  };

  app.get('/api/me', requireLogin, (_req, res) => {
    res.json({ username: res.locals.user.username });
  });

  app.get('/api/users', requireLogin, async (_req, res) => {
    res.json({ users: await users.names() });
  });

  app.use(accountRoutes({ users, sessions, requireLogin }));
  // An outage of the database is a 503, and the server keeps running.
  app.use(devRoutes, answerUnavailable, answerErrors);
  return app;
}
