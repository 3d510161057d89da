import { describe, expect, test, vi } from 'vitest';
import { createApp as createStep01 } from '#steps/01-in-memory/app.ts';
import { createApp as createStep03 } from '#steps/03-knex-sqlite/app.ts';
import { type CreateApp, start } from '#tests/step.ts';

describe('/inspect', () => {
  test('shows what a store in memory holds for this browser', async () => {
    const { browser } = await loggedIn(createStep01);
    const { body } = await browser.get('/inspect');
    expect(body).toMatchObject({
      processId: process.pid,
      store: { name: 'MemoryStore', table: null, sessions: 1 },
      session: { cookie: { httpOnly: true }, user: { username: 'demo' } },
      row: null,
    });
    expect(body.userData.map(({ what }: { what: string }) => what)).toEqual([
      'user id',
      'user name',
      'password hash',
    ]);
  });

  test('shows the row of a store in a database, with ids cut to their first 8 characters', async () => {
    const { browser } = await loggedIn(createStep03);
    const { body, text } = await browser.get('/inspect');
    const shortened = `${browser.sessionId.slice(0, 8)}…`;
    expect(body.sessionId).toBe(shortened);
    expect(body.cookie).toEqual({ name: 'sid', value: `s:${shortened}` });
    expect(body.row).toEqual({ sid: shortened, expired: expect.any(String) });
    expect(text).not.toContain(browser.sessionId.slice(0, 9));
  });

  test('shows a visitor that there is no session', async () => {
    const { browser } = await loggedIn(createStep03);
    await browser.logOut();
    expect((await browser.get('/inspect')).body).toMatchObject({
      cookie: null,
      sessionId: null,
      session: null,
      row: null,
      userData: [],
    });
  });

  test('changes nothing, not even the expiry of the session', async () => {
    const step = await loggedIn(createStep03);
    const touch = vi.spyOn(step.store, 'touch');
    await step.browser.get('/inspect');
    expect(touch).not.toHaveBeenCalled();
  });
});

describe('/upload', () => {
  test('reads a body, and leaves a message in the session', async () => {
    const step = await loggedIn(createStep03);
    const { status } = await step.browser.post('/upload').type('text/plain').send('12345');
    expect(status).toBe(204);
    const { session } = (await step.browser.get('/inspect')).body;
    expect(session.flash).toBe('Your upload of 5 bytes is complete.');
  });

  test('asks a visitor to log in', async () => {
    const { browser } = await start(createStep03);
    const { status } = await browser.post('/upload').type('text/plain').send('12345');
    expect(status).toBe(401);
  });
});

describe.each(['/inspect', '/upload'])('%s', (path) => {
  test('does not exist in production', async () => {
    const step = await loggedIn(createStep03);
    vi.stubEnv('NODE_ENV', 'production');
    await step.restart();
    const send = path === '/inspect' ? step.browser.get(path) : step.browser.post(path, {});
    expect((await send).status).toBe(404);
  });

  test('does not answer pages of other sites', async () => {
    const { browser } = await loggedIn(createStep03);
    const send = path === '/inspect' ? browser.get(path) : browser.post(path, {});
    const { status } = await send.set('Origin', 'http://evil.example');
    expect(status).toBe(403);
  });
});

async function loggedIn(createApp: CreateApp) {
  const step = await start(createApp);
  await step.browser.logIn();
  return step;
}
