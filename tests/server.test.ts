import { createHmac } from 'node:crypto';
import request from 'supertest';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { connectTo } from '#tools/databases.ts';
import { stepFolder, stepNames } from '#tools/steps.ts';
import { countAsIdle, stopClock } from './clock.ts';
import { load } from './every-step.ts';
import { sessionCookieOf } from './requests.ts';
import { startServerFile } from './step-file.ts';
import { captureErrorLog } from './store-methods.ts';

// What a step's server.ts puts together, before it listens.
describe.each(stepNames)('server.ts of %s', async (step) => {
  const folder = stepFolder(step);
  const { SessionStore } = await load(step, 'store.ts');

  test('has the demo account ready, and signs the session cookie with the secret it is given', async () => {
    const { app, secret, databaseUrl } = await startServerFile(folder);
    const knex = await connectTo(databaseUrl);
    onTestFinished(() => knex.destroy());
    const [hash] = await knex('users').pluck('password_hash');
    expect(hash).toMatch(/^\$2b\$10\$/);
    const login = await request(app).post('/api/login').send(demo);
    expect(login.status).toBe(200);
    const cookie = decodeURIComponent(sessionCookieOf(login));
    const [, id = '', signature] = /^sid=s:(.+?)\.([^;=]+)/.exec(cookie) ?? [];
    const expected = createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '');
    expect(signature).toBe(expected);
  });

  test('closes its store, then its database, when it is told to stop', async () => {
    const { app, close, closed } = await startServerFile(folder, SessionStore);
    const agent = request.agent(app);
    await agent.post('/api/login').send(demo);
    await agent.get('/api/me').expect(200);
    await close();
    expect(closed).toEqual(SessionStore ? ['store', 'database'] : ['database']);
  });

  if (!SessionStore) return;
  test('waits for a user no longer than for a session', async () => {
    const { app, driver } = await startServerFile(folder);
    const clock = stopClock();
    countAsIdle();
    captureErrorLog();
    let end = () => {};
    const answer = new Promise<void>((resolve) => {
      end = resolve;
    });
    const query = vi.spyOn(driver, '_query').mockReturnValue(answer);
    onTestFinished(() => {
      query.mockRestore();
      end();
    });
    const login = request(app)
      .post('/api/login')
      .send(demo)
      .then(({ status }) => status);
    await expect.poll(() => query.mock.calls).toHaveLength(1);
    await clock.advance(2000);
    expect(await login).toBe(503);
  });
});
