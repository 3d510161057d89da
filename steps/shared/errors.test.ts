import { once } from 'node:events';
import { Agent } from 'node:http';
import express from 'express';
import request from 'supertest';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { send } from '#tests/requests.ts';
import { answerErrors, createError } from './errors.ts';
import { urlOf } from './serve.ts';

const app = express();
app.set('env', 'development'); // Express logs what it handles itself, except in tests
app.use(express.json());
app.all('/echo/:id', () => {});
app.get('/refuse', () => {
  throw createError(418, 'Ask the coffee machine.');
});
app.get('/fail', () => {
  throw new Error("select * from `users` where `password_hash` = '$2b$10$x' - SQLITE_BUSY");
});
app.get('/library', () => {
  throw createError(503, 'cannot connect to postgres://admin:secret@10.0.0.7');
});
app.get('/foreign', () => {
  throw Object.assign(new Error('ENOENT: /srv/app/secrets.json'), { status: 404 });
});
app.get('/late', (_req, res) => {
  res.write('half an answer');
  throw new Error('too late');
});
app.get('/after', (_req, res, next) => {
  res.end('an answer');
  setImmediate(() => next(new Error('the store failed later')));
});
app.use(answerErrors);

let errorLog: { mock: { calls: unknown[][] } };
beforeEach(() => {
  errorLog = vi.spyOn(console, 'error').mockImplementation(() => {});
});

describe('an error the client can fix', () => {
  const json = (body: string, type = 'application/json') =>
    request(app).post('/echo/1').set('Content-Type', type).send(body);
  const get = (path: string) => request(app).get(path);
  const large = JSON.stringify('a'.repeat(100 * 1024));
  const notUtf8 = 'Send the body as UTF-8 JSON.';
  const notUnderstood = 'The server did not understand the request.';

  test.each([
    ['malformed JSON', 400, 'The body is not valid JSON.', () => json('{"username": "ada",')],
    ['more than 100 kB', 413, 'The body is too large: 100 kB is the most.', () => json(large)],
    ['an unknown charset', 415, notUtf8, () => json('{}', 'application/json; charset=klingon')],
    ['an unknown encoding', 415, notUtf8, () => json('{}').set('Content-Encoding', 'klingon')],
    ['a broken gzip', 400, notUnderstood, () => json('{}').set('Content-Encoding', 'gzip')],
    ['an unknown route', 404, 'This server has nothing at that address.', () => get('/nowhere')],
    ['a route of ours', 418, 'Ask the coffee machine.', () => get('/refuse')],
    ["a library's own 4xx", 404, notUnderstood, () => get('/foreign')],
    ['an address that cannot be decoded', 400, notUnderstood, () => get('/echo/%E0%A4%A')],
  ])('%s: %i, in a sentence, and not logged', async (_what, status, error, send) => {
    const answer = await send();
    expect([answer.status, answer.body]).toEqual([status, { error }]);
    expect(errorLog).not.toHaveBeenCalled();
  });
});

describe('any other error', () => {
  test.each(['/fail', '/library'])(
    '%s: 500 without its details, which are logged',
    async (path) => {
      const { status, body } = await request(app).get(path);
      expect(
        [status, body],
        'the answer reveals internals, or has the status of a library',
      ).toEqual([500, { error: 'Something went wrong on the server. Try again later.' }]);
      const [[error] = []] = errorLog.mock.calls;
      expect(error).toBeInstanceOf(Error);
      expect(String(error)).toMatch(/SQLITE_BUSY|postgres/);
    },
  );

  test('after the response has begun: the connection is cut, and the server keeps running', async () => {
    await expect(
      request(app).get('/late').timeout(2000),
      'the client still waits for the other half',
    ).rejects.toThrow(/aborted|socket hang up/);
    const log = errorLog.mock.calls.flat().join('\n');
    expect(log).not.toMatch(/headers/);
    expect(log).toContain('too late');
    const { status } = await request(app).get('/refuse');
    expect(status).toBe(418);
  });

  test('after the answer is complete: it is logged, and the connection stays open', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const server = app.listen(0);
    await once(server, 'listening');
    onTestFinished(() => {
      agent.destroy();
      server.close();
    });
    const sockets = new Set();
    server.on('connection', (socket) => sockets.add(socket));
    const ask = () => send('GET', `${urlOf(server)}/after`, {}, '', { agent });
    expect(await ask()).toBe(200);
    const message = 'the error was not logged';
    await expect.poll(() => errorLog.mock.calls.length, { message }).toBe(1);
    expect(await ask()).toBe(200);
    expect(sockets.size).toBe(1);
  });
});
