import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import session from 'express-session';
import { z } from 'zod';
import { answerUnavailable } from '#steps/05-failing-database/unavailable.ts';
import { keepNewerCookie } from '#steps/06-logout-wins/newer-cookie.ts';
import { accountRoutes } from '#steps/08-revoke-sessions/account.ts';
import type { SessionStore } from '#steps/08-revoke-sessions/store.ts';
import { UserSessions } from '#steps/08-revoke-sessions/user-sessions.ts';
import type { Users } from '#steps/08-revoke-sessions/users.ts';
import { credentials, type Guard, readBody, register } from '#steps/shared/accounts.ts';
import { devRoutes } from '#steps/shared/dev-routes.ts';
import { answerErrors, createError } from '#steps/shared/errors.ts';
import { page } from '#steps/shared/page.ts';
import { refusePlainHttp, refuseTossedCookies, sessionCookie } from './cookie.ts';
import { DeviceCookie } from './device-cookie.ts';
import { noStore, securityHeaders } from './headers.ts';
import { refuseOtherHosts, refuseOtherSites } from './other-sites.ts';
import { rateLimits } from './rate-limits.ts';
import { listOf, type Protection } from './settings.ts';
import { answerBusy } from './users.ts';

const login = credentials.extend({
  remember: z.boolean('remember is true or false.').default(false),
});

type Parts = { store: SessionStore; users: Users; secret: string } & Protection & Different;

/** What the next step does differently. */
type Different = { first?: RequestHandler; unavailable?: ErrorRequestHandler };

export function createApp({ store, users, secret, ...options }: Parts) {
  const { production = false, hosts, trustProxy = [] } = options;
  const { first = [], unavailable = answerUnavailable } = options;
  const secrets = listOf(secret); // the first one signs cookies, all verify them
  const sessions = new UserSessions(store, users);
  const devices = new DeviceCookie({ production, secrets });
  const { verify, limitRegistrations } = rateLimits(store, users, devices);
  const app = express().set('trust proxy', trustProxy);
  app.use(securityHeaders, first);
  if (hosts || !production) app.use(refuseOtherHosts(hosts));
  app.use(page); // before the session: viewing the page creates none

  // Gives every request a req.session. The cookie has no date: the server decides when a session ends.
  const { name, cookie } = sessionCookie(production);
  app.use(noStore, refuseOtherSites, refuseTossedCookies(name), express.json());
  if (production) app.use(refusePlainHttp);
  app.use(keepNewerCookie(name));
  app.use(
    session({ store, name, secret: secrets, cookie, resave: false, saveUninitialized: false }),
  );

  app.post('/api/register', limitRegistrations, register(users));

  app.post('/api/login', async (req, res) => {
    const { remember, ...given } = readBody(req, login);
    const user = await verify(req, given);
    if (!user) throw createError(401, 'The username or the password is wrong.');
    await sessions.begin(req, user, remember);
    devices.remember(req, res, user);
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

  const onLogin = devices.remember.bind(devices);
  app.use(accountRoutes({ users, sessions, requireLogin, verify, onLogin }));
  app.use(devRoutes, answerBusy, unavailable, answerErrors);
  return app;
}
