import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { Browser } from '#tools/browser.ts';
import { stepsWithStore } from './every-step.ts';
import { startServer } from './spawn.ts';

// Earlier steps do not survive what happens here.
test.each(stepsWithStore)(
  'the log of step %s shows no session id, no cookie, no password and no hash, whatever happens',
  async (name) => {
    const server = await startServer(name);
    const browser = new Browser(server.url);
    await browser.logIn({ ...demo, password: 'wrong horse' });
    await browser.logIn();
    const { cookie = '', sessionId } = browser;
    await browser.post('/api/login').type('json').send(`{"password": "${demo.password}`);
    await browser.get(`/api/me?sid=${sessionId}`);
    await browser.post('/database/break');
    for (const path of ['/api/me', '/api/sessions', '/inspect']) await browser.get(path);
    await browser.logIn();
    await browser.post('/database/restore');
    const newPassword = 'a better password';
    await browser.post('/api/password', { password: demo.password, newPassword });
    await browser.logOut();
    const { stdout, stderr } = await server.end('SIGTERM');
    const log = stdout + stderr;
    expect(log).toMatch(/503 for GET/);
    const storedId = createHash('sha256').update(sessionId).digest('base64url');
    const secrets = [sessionId, cookie, demo.password, 'wrong horse', newPassword, '$2b$'];
    for (const secret of [...secrets, storedId]) expect(log).not.toContain(secret);
  },
);
