import type { RequestHandler } from 'express';
import type { Knex } from 'knex';
import type { Users } from '#database/users.ts';
import type { KnownDevices } from '#steps/08-hardened/known-device.ts';

// The attack: a program tries passwords, many for one account, or a few for each of many accounts.

/** Rate limits, which answer 429 before a password is hashed. */
export function rateLimits(_knex: Knex, _users: Users, _known: KnownDevices) {
  const none: RequestHandler = (_req, _res, next) => next();
  return { slowDown: [none], slowDownRegistering: none };
}
