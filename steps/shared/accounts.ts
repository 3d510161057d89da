import bcrypt from 'bcryptjs';
import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import type { User, Users } from '#database/users.ts';
import { createError } from './errors.ts';

/** A password that a user chooses or enters. */
export const password = z
  .string('Give a password, as a string.')
  .min(8, 'A password has at least 8 characters.')
  .refine((password) => !password.includes('\0'), 'A password has no NUL character.')
  // bcrypt reads 72 bytes and ignores the rest: two passwords with the same first 72 would be equal.
  .refine((password) => !bcrypt.truncates(password), 'A password has at most 72 bytes.');

/** What a person types to register or to log in. */
export const credentials = z.object(
  {
    username: z
      .string('Give a username, as a string.')
      .regex(
        /^[A-Za-z0-9._-]{1,32}$/,
        'A username is 1 to 32 letters, digits, dots, underscores or hyphens.',
      ),
    password,
  },
  'Send a JSON object with a username and a password.',
);

/**
 * Reads the body of a request that `express.json()` has parsed.
 *
 * @throws {HttpError} 415 when the body is not JSON, 400 when it does not fit the schema.
 */
export function readBody<T>(req: Request, schema: z.ZodType<T>): T {
  if (!req.is('application/json')) {
    throw createError(415, 'Send JSON, and say so with the header Content-Type: application/json.');
  }
  const result = schema.safeParse(req.body);
  if (!result.success) {
    throw createError(400, result.error.issues.map((issue) => issue.message).join(' '));
  }
  return result.data;
}

/** `POST /api/register`: 201 with the name, 400 or 415 as `readBody` says, 409 if it is taken. */
export function register(users: Users): RequestHandler {
  return async (req, res) => {
    const user = await users.add(readBody(req, credentials));
    if (!user) throw createError(409, 'That username is taken. Choose another.');
    res.status(201).json({ username: user.username });
  };
}

/** Middleware that lets only logged-in users through, and puts the user in `res.locals.user`. */
export type Guard = RequestHandler<
  Record<string, string>,
  unknown,
  unknown,
  unknown,
  { user: User }
>;
