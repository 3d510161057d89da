import { type RequestHandler, Router } from 'express';
import type { Knex } from 'knex';
import { inTime } from '#database/in-time.ts';

// The first process sends this message a second before it stops a server.
let isDraining = false;
process.on('message', (message) => {
  if (message === 'drain') isDraining = true;
});

/**
 * For a load balancer, or anything else that monitors the servers.
 *
 * - `GET /health`: 200 as long as the process answers, even when the database is down. If there is no answer,
 *   restart the process.
 * - `GET /ready`: 200 when a request would succeed; 503 when the database is down. After a 503, send requests to other
 *   machines for a while. A server that is about to stop is still ready: a new one shares its address already.
 */
export function health(knex: Knex): Router {
  return Router()
    .get('/health', (_req, res) => {
      res.json({ status: 'alive' });
    })
    .get('/ready', async (_req, res) => {
      const isReady = await answers(knex);
      res.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not ready' });
    });
}

async function answers(knex: Knex): Promise<boolean> {
  return inTime(knex.raw('select 1')).then(
    () => true,
    () => false,
  );
}

/** While this server is about to stop, tells clients to open a new connection for their next request. */
export const drain: RequestHandler = (_req, res, next) => {
  if (isDraining) res.set('Connection', 'close');
  next();
};
