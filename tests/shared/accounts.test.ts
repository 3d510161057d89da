import { beforeAll, describe, expect, test } from 'vitest';
import { createApp } from '#steps/01-in-memory/app.ts';
import { RunningStep } from '#tests/running-step.ts';
import { ada, type Browser } from '#tools/browser.ts';

// One server gets all requests, one after the other. None may affect the next.
let server: RunningStep;
let browser: Browser;
beforeAll(async () => {
  server = await RunningStep.start(createApp);
  browser = server.browser();
  await browser.register(ada);
  return () => server.dispose();
});

describe('a login or a registration is refused with a sentence in JSON', () => {
  const { username, password } = ada;
  const name = 'A username is 1 to 32 ';

  test.each<[what: string, status: number, sentence: string, body: object | undefined]>([
    ['no body', 415, 'Send JSON, and say so ', undefined],
    ['JSON that is not an object', 400, 'Send a JSON object ', [ada]],
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
    for (const path of ['/api/login', '/api/register']) {
      const answer = await browser.post(path, body);
      expect([path, answer.status], 'accepted, or refused with another status').toEqual([
        path,
        status,
      ]);
      expect(answer.body).toEqual({ error: expect.stringContaining(sentence) });
    }
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json-patch+json'])(
    'a body of the type %s: 415',
    async (type) => {
      const answer = await browser.post('/api/login').type(type).send(JSON.stringify(ada));
      expect(answer.status, 'the content type was ignored').toBe(415);
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
    const answer = await browser.register(credentials);
    expect([answer.status, answer.body], 'refused, or answered with more than the name').toEqual([
      201,
      { username: credentials.username },
    ]);
    expect((await browser.logIn(credentials)).status).toBe(200);
    const password = `${credentials.password.slice(0, -1)}!`;
    const { status } = await browser.logIn({ ...credentials, password });
    expect(status, 'the last character of the password was ignored').toBe(401);
  });

  test('of 50 for one name at once, one succeeds, and 49 learn that the name is taken', async () => {
    const grace = { username: 'grace', password: 'nanoseconds' };
    const answers = await Promise.all(Array.from({ length: 50 }, () => browser.register(grace)));
    const statuses = answers.map((answer) => answer.status).sort();
    expect(statuses, 'a name that is taken is a 409').toEqual([201, ...Array(49).fill(409)]);
    const { body } = await browser.register(ada);
    expect(body).toEqual({ error: 'That username is taken. Choose another.' });
  });
});
