import express from 'express';
import session, { type SessionOptions, type Store } from 'express-session';
import { onTestFinished } from 'vitest';
import { closeServer, listen, urlOf } from '#steps/shared/serve.ts';
import { HOUR } from './clock.ts';

/**
 * A small application over a store, with routes that the steps do not have. None waits for the store:
 *
 * - `POST /login` and `POST /logout` change the session and redirect to `/me`
 * - `POST /destroy` destroys the session
 * - `POST /upload` changes the session, and ends when `finishUpload` is called
 * - `GET /me` answers 200 or 401
 *
 * @returns the application, which ends with the test, and functions that send these requests with a cookie.
 *   Like a browser that is redirected, they do not wait for the end of the response.
 */
export async function sessionRoutes(store: Store, options: Partial<SessionOptions> = {}) {
  let finishUpload = () => {};
  let arrived = () => {};
  const app = express();
  const defaults = { secret: 'for tests', resave: false, saveUninitialized: false };
  app.use(session({ store, cookie: { maxAge: HOUR }, ...defaults, ...options }));
  app.post('/login', (req, res) => {
    Object.assign(req.session, { userId: 1 });
    res.redirect('/me');
  });
  app.post('/logout', (req, res) => {
    Object.assign(req.session, { userId: undefined });
    res.redirect('/me');
  });
  app.post('/destroy', (req, res) => {
    req.session.destroy(() => {});
    res.sendStatus(204);
  });
  app.post('/upload', async (req, res) => {
    Object.assign(req.session, { uploads: 1 });
    const finished = new Promise<void>((resolve) => {
      finishUpload = resolve;
    });
    arrived();
    await finished;
    res.sendStatus(204); // now express-session saves what has changed
  });
  app.get('/me', (req, res) => {
    res.sendStatus(Reflect.get(req.session, 'userId') === 1 ? 200 : 401);
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1' });
  onTestFinished(() => closeServer(server));

  const send = (method: string, path: string, cookie: string) =>
    fetch(urlOf(server) + path, { method, headers: { cookie }, redirect: 'manual' });

  /** @returns the status of the answer, and the cookie for the next request. */
  const post = async (path: string, cookie = '') => {
    const { status, headers } = await send('POST', path, cookie);
    return { status, cookie: headers.getSetCookie()[0]?.split(';')[0] ?? cookie };
  };
  return {
    app,
    post,
    me: async (cookie: string) => (await send('GET', '/me', cookie)).status,
    /** Begins an upload. @returns a function that lets it finish, and gives its status */
    startUpload: async (cookie: string) => {
      const started = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const upload = send('POST', '/upload', cookie);
      await started;
      return async () => {
        finishUpload();
        const response = await upload;
        await response.text(); // the session is saved
        return response.status;
      };
    },
  };
}
