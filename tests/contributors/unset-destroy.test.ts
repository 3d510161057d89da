import session from 'express-session';
import { expect, test } from 'vitest';
import { TimeoutError } from '#database/in-time.ts';
import { answerUnavailable } from '#steps/05-failing-database/unavailable.ts';
import { sessionRoutes } from '../session-routes.ts';
import { captureErrorLog } from '../store-methods.ts';

test("a 503 leaves the session alone, even with express-session's unset: 'destroy'", async () => {
  captureErrorLog();
  const store = new session.MemoryStore();
  const { app, post, me } = await sessionRoutes(store, { unset: 'destroy' });
  app.post('/outage', () => {
    throw new TimeoutError('The database did not answer.');
  });
  app.use(answerUnavailable);
  const { cookie } = await post('/login');
  expect(await post('/outage', cookie)).toEqual({ status: 503, cookie });
  expect(await me(cookie), 'the session after the outage').toBe(200);
});
