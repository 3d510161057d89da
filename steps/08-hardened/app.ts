import express from 'express';
import session, { type Store } from 'express-session';
import type { Knex } from 'knex';
import { z } from 'zod';
import type { Users } from '#database/users.ts';
import { answerUnavailable } from '#steps/05-failing-database/unavailable.ts';
import { credentials, readBody, register } from '#steps/shared/accounts.ts';
import { devRoutes } from '#steps/shared/dev-routes.ts';
import { answerErrors, createError } from '#steps/shared/errors.ts';
import type { Guard } from '#steps/shared/guard.ts';
import { page } from '#steps/shared/page.ts';
import { accountRoutes } from './account.ts';
import { sessionStarter } from './begin-session.ts';
import { refusePlainHttp, refuseTossedCookies, sessionCookie } from './cookie.ts';
import { Devices } from './devices.ts';
import { rateLimits } from './guessing.ts';
import { answerBusy } from './hashing.ts';
import { noStore, securityHeaders } from './headers.ts';
import { KnownDevices } from './known-device.ts';
import { refuseOtherHosts, refuseOtherSites } from './other-sites.ts';
import type { Protection } from './settings.ts';

const login = credentials.extend({
  remember: z.boolean('remember is true or false.').default(false),
});

type Parts = { knex: Knex; store: Store; users: Users; protection: Protection };

export function createApp({ knex, store, users, protection }: Parts) {
  const { secrets, production, hosts, trustProxy } = protection;
  const { name, cookie, note } = sessionCookie(production);
  const devices = new Devices(knex);
  const known = new KnownDevices({ production, secrets });
  const { slowDown, slowDownRegistering } = rateLimits(knex, users, known);
  const beginSession = sessionStarter({ users, devices, ...protection });

  const app = express().set('trust proxy', trustProxy);
  Object.assign(app.locals, { hasDevices: true, cookieNote: note }); // for the page
  app.use(securityHeaders);
  if (hosts || !production) app.use(refuseOtherHosts(hosts));
  app.use(page); // before the session: viewing the page creates none
  app.use(noStore, refuseOtherSites, refuseTossedCookies(name), express.json());
  if (production) app.use(refusePlainHttp);
  app.use(
    session({ store, name, secret: secrets, cookie, resave: false, saveUninitialized: false }),
  );

  app.post('/api/register', slowDownRegistering, register(users));

  app.post('/api/login', ...slowDown, async (req, res) => {
    const { remember, ...given } = readBody(req, login);
    const user = await users.verify(given);
    if (!user) throw createError(401, 'The username or the password is wrong.');
    await beginSession(req, user, remember);
    known.remember(req, res, user);
    res.json({ username: user.username });
  });

  app.post('/api/logout', (req, res, next) => {
    const wasLoggedIn = req.session.userId !== undefined;
    req.session.destroy((error) => {
      if (error) return next(error);
      if (wasLoggedIn) res.clearCookie(name, cookie);
      res.status(204).end();
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

  app.use(accountRoutes({ users, devices, known, requireLogin, slowDown, beginSession }));
  app.use(devRoutes, answerBusy, answerUnavailable, answerErrors);
  return app;
}
