import express from 'express';
import session from 'express-session';
import createMemoryStore from 'memorystore';
import type { User, Users } from '#database/users.ts';
import { credentials, type Guard, readBody, register } from '#steps/shared/accounts.ts';
import { devRoutes } from '#steps/shared/dev-routes.ts';
import { answerErrors, createError } from '#steps/shared/errors.ts';
import { page } from '#steps/shared/page.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds

// Tells TypeScript what this application keeps in a session.
declare module 'express-session' {
  interface SessionData {
    user: User;
  }
}

export function createApp({ users, secret }: { users: Users; secret: string }) {
  const app = express();
  app.use(page, express.json()); // static page first: viewing it creates no session

  // Still the memory of this process, but expired sessions are deleted.
  const MemoryStore = createMemoryStore(session);
  const store = new MemoryStore({
    checkPeriod: HOUR, // how often to delete expired sessions; without it, nothing deletes them
    max: 10_000, // keep at most this many; one more logs another user out
  });

  // Gives every request a req.session.
  const cookie = { maxAge: 24 * HOUR, httpOnly: true, sameSite: 'lax' } as const;
  app.use(session({ store, name: 'sid', secret, cookie, resave: false, saveUninitialized: false }));

  app.post('/api/register', register(users));

  app.post('/api/login', async (req, res, next) => {
    const user = await users.verify(readBody(req, credentials));
    if (!user) throw createError(401, 'The username or the password is wrong.');
    // A new session id, so one that an attacker planted in this browser is worthless.
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.user = user;
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

  // The guard: the routes below are for logged-in users only.
  const requireLogin: Guard = (req, res, next) => {
    const { user } = req.session;
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

  app.use(devRoutes, answerErrors);
  return app;
}
