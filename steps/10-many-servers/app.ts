import type { Express } from 'express';
import * as step09 from '#steps/09-refuse-strangers/app.ts';
import { health } from './health.ts';
import { answerUnavailable } from './unavailable.ts';

/** The app of step 09, with what a load balancer asks for, and with PostgreSQL's errors. */
export function createApp(parts: Parameters<typeof step09.createApp>[0]): Express {
  const first = health(parts.store.knex);
  return step09.createApp({ ...parts, first, unavailable: answerUnavailable });
}
