import type { RequestHandler } from 'express';
import type { User } from '#database/users.ts';

/** Middleware that lets only logged-in users through, and puts the user in `res.locals.user`. */
export type Guard = RequestHandler<
  Record<string, string>,
  unknown,
  unknown,
  unknown,
  { user: User }
>;
