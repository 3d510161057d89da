import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ErrorRequestHandler } from 'express';
import { Piscina } from 'piscina';
import * as step08 from '#steps/08-revoke-sessions/users.ts';

// The attack: a flood of logins. Each costs 100 ms of hashing, and while the event loop hashes, no request is answered.

const QUEUE = 50; // passwords that may wait: about five seconds of work for one thread

/** Too many passwords are waiting already. */
class BusyError extends Error {}

const threads = new Piscina({
  filename: join(import.meta.dirname, 'hash-worker.js'),
  execArgv: [], // plain JavaScript needs none of the loaders that the server was started with
  minThreads: 0,
  maxThreads: Math.max(1, availableParallelism() - 1), // one core stays free for answering
  idleTimeout: 10_000, // in milliseconds
});

/** The users table, with passwords that are hashed in worker threads. */
export class Users extends step08.Users {
  protected override hash(password: string): Promise<string> {
    return run('hash', [password, this.cost]);
  }

  protected override compare(password: string, hash: string): Promise<boolean> {
    return run('compare', [password, hash]);
  }
}

async function run<T>(name: 'hash' | 'compare', task: [string, string | number]): Promise<T> {
  const longest = name === 'hash' ? QUEUE / 2 : QUEUE; // registrations must not crowd out logins
  if (threads.queueSize >= longest) throw new BusyError('Too many passwords are waiting.');
  return threads.run(task, { name });
}

/** Answers 503 when too many passwords are waiting. */
export const answerBusy: ErrorRequestHandler = (error, _req, res, next) => {
  if (!(error instanceof BusyError)) return next(error);
  res
    .status(503)
    .set('Retry-After', '5') // in seconds
    .json({ error: 'Too many people are logging in. Try again in a moment.' });
};
