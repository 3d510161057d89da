import { type RequestHandler, Router } from 'express';
import type { Knex } from 'knex';
import { inTime } from '#database/in-time.ts';

// The first process says so to a server a second before it stops it.
let isDraining = false;
process.on('message', (message) => {
  if (message === 'drain') isDraining = true;
});

/**
 * For a load balancer, or whatever else watches the servers.
 *
 * - `GET /health`: 200 as long as the process answers. Whoever gets no answer starts it again; that would be wrong
 *   when only the database is away.
 * - `GET /ready`: 200 when a request would succeed; 503 when the database is away, or this server is about to
 *   stop. Whoever gets a 503 sends requests elsewhere for a while.
 */
export function health(knex: Knex): Router {
  return Router()
    .get('/health', (_req, res) => {
      res.json({ status: 'alive' });
    })
    .get('/ready', async (_req, res) => {
      const isReady = !isDraining && (await answers(knex));
      res.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not ready' });
    });
}

async function answers(knex: Knex): Promise<boolean> {
  return inTime(knex.raw('select 1')).then(
    () => true,
    () => false,
  );
}

/** Answers of a server that is about to stop ask the client to open its next connection to another one. */
export const drain: RequestHandler = (_req, res, next) => {
  if (isDraining) res.set('Connection', 'close');
  next();
};
