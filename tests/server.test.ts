import { createHmac } from 'node:crypto';
import request from 'supertest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readDatabase } from '#database/open.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { stepFolder, stepNames } from '#tools/steps.ts';
import { sessionCookieOf } from './login.ts';
import { importFile, startServerFile } from './step-file.ts';

// What a step's server.ts puts together, before it listens.
describe.each(stepNames)('server.ts of %s', async (step) => {
  const folder = stepFolder(step);
  const noStore = () => ({});
  const { SessionStore } = await importFile<{ SessionStore?: object }>(folder, 'store.ts', noStore);

  test('has the demo account ready, and signs the session cookie with the secret it is given', async () => {
    const { app, secret, databaseUrl } = await startServerFile(folder);
    const knex = await readDatabase(databaseUrl);
    onTestFinished(() => knex.destroy());
    const [hash] = await knex('users').pluck('password_hash');
    expect(hash, 'is a bcrypt cost left in server.ts?').toMatch(/^\$2b\$10\$/);
    const login = await request(app).post('/api/login').send(demo);
    expect(login.status, 'does server.ts await prepareDemoAccount(users, production)?').toBe(200);
    const cookie = decodeURIComponent(sessionCookieOf(login));
    const [, id = '', signature] = /^sid=s:(.+?)\.([^;=]+)/.exec(cookie) ?? [];
    const expected = createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '');
    expect(signature, 'another secret. Does server.ts pass its secret on?').toBe(expected);
  });

  test('closes its store, then its database, when it is told to stop', async () => {
    const { app, close, closed } = await startServerFile(folder, SessionStore);
    const agent = request.agent(app);
    await agent.post('/api/login').send(demo);
    await agent.get('/api/me').expect(200);
    await close();
    expect(closed).toEqual(SessionStore ? ['store', 'database'] : ['database']);
  });
});
