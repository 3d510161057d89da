import { describe, expect, test, vi } from 'vitest';
import { createApp as createStep01 } from '#steps/01-in-memory/app.ts';
import { createApp as createStep03 } from '#steps/03-knex-sqlite/app.ts';
import { readSession } from '#steps/shared/store-contents.ts';
import { loggedIn, registered } from '#tests/login.ts';

describe('/inspect', () => {
  test('shows what a store in memory holds for this browser', async () => {
    const { browser } = await loggedIn(createStep01);
    const { body } = await browser.get('/inspect');
    expect(body).toMatchObject({
      processId: process.pid,
      store: { name: 'MemoryStore', table: null, sessions: 1 },
      session: { cookie: { httpOnly: true }, user: { username: 'ada' } },
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
    const why = 'a script on the page can read too much of the session id';
    expect(body.sessionId, why).toBe(shortened);
    expect(body.cookie, why).toEqual({ name: 'sid', value: `s:${shortened}` });
    expect(body.row, why).toEqual({
      table: 'sessions',
      sid: shortened,
      expired: expect.any(String),
    });
    expect(text, why).not.toContain(browser.sessionId.slice(0, 9));
  });

  test('shows a visitor that there is no session', async () => {
    const { browser } = await registered(createStep03);
    expect((await browser.get('/inspect')).body).toMatchObject({
      cookie: null,
      sessionId: null,
      session: null,
      row: null,
      userData: [],
    });
  });

  test('changes nothing, not even the expiry of the session', async () => {
    const { server, browser } = await loggedIn(createStep03);
    const touch = vi.spyOn(server.store, 'touch');
    await browser.get('/inspect');
    expect(touch, 'looking at a session extended it').not.toHaveBeenCalled();
  });
});

describe('/upload', () => {
  test('reads a body, and leaves a message in the session', async () => {
    const { server, browser } = await loggedIn(createStep03);
    const { status } = await browser.post('/upload').type('text/plain').send('12345');
    expect(status).toBe(204);
    const stored = await readSession(server.store, browser.sessionId);
    expect(stored?.session.flash, 'no message in the session').toBe(
      'Your upload of 5 bytes is complete.',
    );
  });

  test('asks a visitor to log in', async () => {
    const { browser } = await registered(createStep03);
    const { status } = await browser.post('/upload').type('text/plain').send('12345');
    expect(status, 'accepted an upload without a login').toBe(401);
  });
});

describe.each(['/inspect', '/upload'])('%s', (path) => {
  test('does not exist in production', async () => {
    const { server, browser } = await loggedIn(createStep03);
    vi.stubEnv('NODE_ENV', 'production');
    await server.restart();
    const send = path === '/inspect' ? browser.get(path) : browser.post(path, {});
    expect((await send).status, 'a development tool is open in production').toBe(404);
  });

  test('does not answer pages of other sites', async () => {
    const { browser } = await loggedIn(createStep03);
    const send = path === '/inspect' ? browser.get(path) : browser.post(path, {});
    const { status } = await send.set('Origin', 'http://evil.example');
    expect(status, 'another site reached a development tool. Use ownPageOnly').toBe(403);
  });
});
