import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import express, { type Express } from 'express';
import request from 'supertest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { httpLimits } from './http-limits.ts';

describe('an attacker who wears the server out', () => {
  test('is cut off after slow headers, a slow body, or silence', async () => {
    const { headersTimeout, requestTimeout, keepAliveTimeout, timeout } = await start();
    expect({ headersTimeout, requestTimeout, keepAliveTimeout, timeout }).toEqual({
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      keepAliveTimeout: 5_000,
      timeout: 30_000,
    });
  });

  test('is refused with huge headers', async () => {
    const cookie = 'x'.repeat(10_000);
    const answer = await request(urlOf(await start()))
      .get('/')
      .set('Cookie', cookie);
    expect(answer.status).toBe(431);
  });

  test('is cut off when a connection is opened and nothing is sent', async () => {
    const server = await start({ headersTimeout: 100, connectionsCheckingInterval: 50 });
    const silent = connectTo(urlOf(server));
    silent.resume();
    await once(silent, 'close'); // or the test takes too long
  });

  test('is cut off after reading no response for 30 seconds', async () => {
    const app = express().get('/', (_req, res) => res.send(Buffer.alloc(50_000_000)));
    const server = await start({ timeout: 100 }, app);
    connectTo(urlOf(server)).pause().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [connection] = await once(server, 'connection');
    await once(connection, 'close'); // or the test takes too long
  });

  test('gets a hundred answers from one connection, however many requests are in a packet', async () => {
    let answers = 0;
    const app = express().get('/', (_req, res) => {
      answers += 1;
      res.end();
    });
    const greedy = connectTo(urlOf(await start({}, app)));
    greedy.resume().end('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(600));
    await once(greedy, 'close');
    expect(answers).toBe(100);
  });
});

/** Starts a server with the limits of the step, except for some changes. It ends with the test. */
async function start(changes: Partial<typeof httpLimits> = {}, app: Express = express()) {
  const limits = { ...httpLimits, ...changes };
  const server = Object.assign(createServer(limits, app), limits).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return server;
}

function urlOf(server: Server): string {
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

function connectTo(url: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  return socket;
}
