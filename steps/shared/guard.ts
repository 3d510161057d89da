import type { RequestHandler } from 'express';
import type { User } from '#database/users.ts';

/** Middleware that lets a request through only for a user, whom it leaves in `res.locals.user`. */
export type Guard = RequestHandler<
  Record<string, string>,
  unknown,
  unknown,
  unknown,
  { user: User }
>;
