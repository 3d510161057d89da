import { setTimeout as pause } from 'node:timers/promises';
import { type Express, Router } from 'express';
import type { Knex } from 'knex';
import { inTime } from '#steps/05-failing-database/in-time.ts';

/** From now on, `/ready` says no, but the app still answers. @param time in milliseconds. */
export async function drain(app: Express, time: number): Promise<void> {
  app.locals.isDraining = true;
  await pause(time);
}

/**
 * For a load balancer, or anything else that monitors the servers. It comes before the session, because a load
 * balancer has none, and calls the server by its IP address.
 *
 * - `GET /health`: 200 as long as the process answers, even when the database is down. If there is no answer,
 *   restart the process.
 * - `GET /ready`: 200 when a request would succeed; 503 when the database is down, or this server is about to stop.
 *   After a 503, send requests to other servers.
 */
export function health(knex: Knex): Router {
  return Router()
    .use((req, res, next) => {
      // A client that opens a new connection for its next request finds another server.
      if (req.app.locals.isDraining) res.set('Connection', 'close');
      next();
    })
    .get('/health', (_req, res) => {
      res.json({ status: 'alive' });
    })
    .get('/ready', async (req, res) => {
      const isReady = !req.app.locals.isDraining && (await answers(knex));
      res.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not ready' });
    });
}

async function answers(knex: Knex): Promise<boolean> {
  return inTime(knex.raw('select 1')).then(
    () => true,
    () => false,
  );
}
