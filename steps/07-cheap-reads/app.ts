import express from 'express';
import session, { type Store } from 'express-session';
import type { Users } from '#database/users.ts';
import { answerUnavailable } from '#steps/05-failing-database/unavailable.ts';
import { keepNewerCookie } from '#steps/06-logout-wins/newer-cookie.ts';
import { credentials, type Guard, readBody, register } from '#steps/shared/accounts.ts';
import { devRoutes } from '#steps/shared/dev-routes.ts';
import { answerErrors, createError } from '#steps/shared/errors.ts';
import { page } from '#steps/shared/page.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds

// Tells TypeScript what this application keeps in a session.
declare module 'express-session' {
  interface SessionData {
    userId: number;
  }
}

type Parts = { store: Store; users: Users; secret: string };

export function createApp({ store, users, secret }: Parts) {
  const app = express();
  app.use(page, express.json()); // static page first: viewing it creates no session

  // Gives every request a req.session.
  const cookie = { maxAge: 24 * HOUR, httpOnly: true, sameSite: 'lax' } as const;
  app.use(keepNewerCookie('sid'));
  app.use(session({ store, name: 'sid', secret, cookie, resave: false, saveUninitialized: false }));

  app.post('/api/register', register(users));

  app.post('/api/login', async (req, res, next) => {
    const user = await users.verify(readBody(req, credentials));
    if (!user) throw createError(401, 'The username or the password is wrong.');
    // A new session id, so one that an attacker planted in this browser is worthless.
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.userId = user.id;
      // Answer only once the session is saved: a 200 promises that it is.
      req.session.save((error) => {
        if (error) return next(error);
        res.json({ username: user.username });
      });
    });
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

  // An outage of the database is a 503, and the server keeps running.
  app.use(devRoutes, answerUnavailable, answerErrors);
  return app;
}
