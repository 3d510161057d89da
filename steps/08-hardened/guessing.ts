import type { Request } from 'express';
import { ipKeyGenerator, type Options, rateLimit } from 'express-rate-limit';
import type { Knex } from 'knex';
import type { Users } from '#database/users.ts';
import { readCredentials } from '#steps/shared/accounts.ts';
import { Attempts } from './attempts.ts';
import type { KnownDevices } from './known-device.ts';

// The attack: a program tries passwords, many for one account, or a few for each of many accounts; another
// one registers accounts.

const WINDOW = 15 * 60 * 1000; // in milliseconds
const PER_ACCOUNT = 10; // wrong passwords in one window
const PER_ADDRESS = 50; // more, because a whole office can share one address
const REGISTRATIONS = 20; // from one address in one window, successful or not

/** Rate limits, which answer 429 before a password is hashed. */
export function rateLimits(knex: Knex, users: Users, known: KnownDevices) {
  const limit = (prefix: string, limit: number, options: Partial<Options>) =>
    rateLimit({
      windowMs: WINDOW,
      limit,
      store: new Attempts(knex, prefix),
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      message: { error: 'Too many attempts. Wait a few minutes, then try again.' },
      ...options,
    });
  // Every attempt counts while it is under way, and afterwards only if the password was wrong.
  const wrongOnly: Partial<Options> = {
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_req, res) => res.statusCode !== 401,
  };
  const address = (req: Request) => ipKeyGenerator(req.ip ?? '');
  /** The id of the browser, if the user has logged in there before. */
  const deviceOf = async (req: Request) => known.find(req, await users.find(usernameOf(req)));

  const byAddress = limit('address ', PER_ADDRESS, {
    ...wrongOnly,
    keyGenerator: address,
    skip: async (req) => (await deviceOf(req)) !== undefined,
  });
  const byAccount = limit('account ', PER_ACCOUNT, {
    ...wrongOnly,
    keyGenerator: async (req) => `${usernameOf(req)} ${(await deviceOf(req)) ?? ''}`,
  });
  return {
    slowDown: [byAddress, byAccount],
    slowDownRegistering: limit('register ', REGISTRATIONS, { keyGenerator: address }),
  };
}

/**
 * Whose password is being tried: the logged-in user's, or that of the username in the body.
 *
 * @throws {HttpError} 400 when the body is invalid. The limits pass it on without counting.
 */
function usernameOf(req: Request): string {
  return req.res?.locals.user?.username ?? readCredentials(req).username;
}
