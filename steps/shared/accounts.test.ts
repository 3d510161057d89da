import { describe, expect, test } from 'vitest';
import { createApp } from '#steps/01-in-memory/app.ts';
import { start } from '#tests/step.ts';
import { demo } from './demo-account.ts';

describe('a login or a registration is refused with a sentence in JSON', () => {
  const { username, password } = demo;
  const name = 'A username is 1 to 32 ';

  test.each<[what: string, status: number, sentence: string, body: object | undefined]>([
    ['no body', 415, 'Send JSON, and say so ', undefined],
    ['JSON that is not an object', 400, 'Send a JSON object ', [demo]],
    ['no username', 400, 'Give a username', { password }],
    ['no password', 400, 'Give a password', { username: 'eve' }],
    ['a username that is an object', 400, 'Give a username', { username: { $ne: '' }, password }],
    ['a username that is SQL', 400, name, { username: "x' OR '1'='1", password }],
    ['an empty username', 400, name, { username: '', password }],
    ['a username of 33 characters', 400, name, { username: 'a'.repeat(33), password }],
    ['a password of 7 characters', 400, 'at least 8', { username, password: '1234567' }],
    ['a password of 73 bytes', 400, 'at most 72 bytes', { username, password: 'p'.repeat(73) }],
    ['37 letters of two bytes', 400, 'at most 72 bytes', { username, password: 'é'.repeat(37) }],
  ])('%s: %i', async (_what, status, sentence, body) => {
    const { browser } = await start(createApp);
    for (const path of ['/api/login', '/api/register']) {
      const answer = await browser.post(path, body);
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.body).toEqual({ error: expect.stringContaining(sentence) });
    }
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json-patch+json'])(
    'a body of the type %s: 415',
    async (type) => {
      const { browser } = await start(createApp);
      const answer = await browser.post('/api/login').type(type).send(JSON.stringify(demo));
      expect(answer.status).toBe(415);
      expect(answer.body).toEqual({ error: expect.stringContaining('application/json') });
    },
  );
});

describe('a registration', () => {
  test.each([
    ['a username of 1 character', { username: 'a', password: 'correct horse' }],
    ['a username of 32 characters', { username: 'Zz09._-'.padEnd(32, 'x'), password: '12345678' }],
    ['a password of 72 bytes', { username: 'eve', password: 'p'.repeat(72) }],
  ])('accepts %s', async (_what, credentials) => {
    const { browser } = await start(createApp);
    const answer = await browser.register(credentials);
    expect([answer.status, answer.body]).toEqual([201, { username: credentials.username }]);
    expect((await browser.logIn(credentials)).status).toBe(200);
    const password = `${credentials.password.slice(0, -1)}!`;
    expect((await browser.logIn({ ...credentials, password })).status).toBe(401);
  });

  test('of 50 for one name at once, one succeeds, and 49 learn that the name is taken', async () => {
    const { browser } = await start(createApp);
    const grace = { username: 'grace', password: 'nanoseconds' };
    const answers = await Promise.all(Array.from({ length: 50 }, () => browser.register(grace)));
    const statuses = answers.map((answer) => answer.status).sort();
    expect(statuses).toEqual([201, ...Array(49).fill(409)]);
    const { body } = await browser.register(grace);
    expect(body).toEqual({ error: 'That username is taken. Choose another.' });
  });
});
