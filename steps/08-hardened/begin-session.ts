import type { Request } from 'express';
import { reason } from '#database/open.ts';
import type { User, Users } from '#database/users.ts';
import { createError } from '#steps/shared/errors.ts';
import type { Devices } from './devices.ts';

// The attacks: a session id that was planted in this browser before the login (session fixation); a session
// that never ends, because its thief keeps using it.

declare module 'express-session' {
  interface SessionData {
    userId: number;
  }
}

interface Parts {
  users: Users;
  devices: Devices;
  /** The longest that a session may last, in milliseconds. */
  absoluteTimeout: number;
  /** The same for a session that is remembered when the browser is closed. */
  rememberTimeout: number;
}

/**
 * @returns a function that begins a session, under a new id, for a user whose password has just been checked. The old
 *   session is deleted.
 */
export function sessionStarter({ users, devices, absoluteTimeout, rememberTimeout }: Parts) {
  return async (req: Request, user: User, remember: boolean): Promise<void> => {
    await call((done) => req.session.regenerate(done));
    const lifetime = remember ? rememberTimeout : absoluteTimeout;
    req.session.userId = user.id;
    req.session.endsAt = Date.now() + lifetime;
    if (remember) req.session.cookie.maxAge = lifetime; // tell the browser the same
    // Answer only once the session is saved: a 200 promises that it is.
    await call((done) => req.session.save(done));
    try {
      await checkPassword(user);
      await devices.add(user.id, req.sessionID, req.get('User-Agent'));
      await checkPassword(user); // from here on, a password change ends this session
    } catch (error) {
      // Nobody has its id yet, so the response need not wait: if the database failed, that could take as long again.
      req.session.destroy((failure) => {
        if (failure) console.error(`Could not delete an unused session: ${reason(failure)}`);
      });
      throw error;
    }
  };

  /** The password may have been changed, or the account deleted, since it was checked. */
  async function checkPassword(user: User): Promise<void> {
    if (!(await users.isCurrent(user))) throw createError(401, 'Log in again.');
  }
}

function call(method: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    method((error) => (error ? reject(error) : resolve()));
  });
}
