import { randomUUID } from 'node:crypto';
import type { Request } from 'express';
import type { Knex } from 'knex';
import { reason } from '#database/errors.ts';
import type { User } from '#database/users.ts';
import { inTime } from '#steps/05-failing-database/in-time.ts';
import { createError } from '#steps/shared/errors.ts';
import type { SessionStore } from './store.ts';
import type { Users } from './users.ts';

// The attacks: a session that never ends, because its thief keeps using it; a stolen laptop, a forgotten login in a
// library.

const HOUR = 60 * 60 * 1000; // in milliseconds
const ABSOLUTE_TIMEOUT = 12 * HOUR;
const REMEMBER_TIMEOUT = 30 * 24 * HOUR; // of a session that is remembered when the browser is closed
const MAX_SESSIONS = 20; // of one user

declare module 'express-session' {
  interface SessionData {
    /** Whether its user asked to be remembered. */
    remember: boolean;
    /** What its user is told about a session. With this id nobody can log in. */
    login: { id: string; createdAt: string; userAgent: string };
  }
}

/** The sessions of each user: begins them, lists them, ends them. */
export class UserSessions {
  readonly #store: SessionStore;
  readonly #users: Users;

  constructor(store: SessionStore, users: Users) {
    this.#store = store;
    this.#users = users;
  }

  /** Begins a session with a new id, for a user whose password was just checked, and deletes the old one. */
  async begin(req: Request, user: User, remember: boolean): Promise<void> {
    await call((done) => req.session.regenerate(done));
    const lifetime = remember ? REMEMBER_TIMEOUT : ABSOLUTE_TIMEOUT;
    const userAgent = (req.get('User-Agent') ?? 'unknown').slice(0, 200);
    req.session.userId = user.id;
    req.session.remember = remember;
    req.session.endsAt = Date.now() + lifetime;
    req.session.login = { id: randomUUID(), createdAt: new Date().toISOString(), userAgent };
    if (remember) req.session.cookie.maxAge = lifetime; // tell the browser the same
    // Answer only once the session is saved: a 200 promises that it is.
    await call((done) => req.session.save(done));
    try {
      // From the save on, a password change ends this session. It may have come before.
      if (!(await this.#users.isCurrent(user))) throw createError(401, 'Log in again.');
      await this.#endLeastRecent(user.id);
    } catch (error) {
      // Nobody has its id yet, so the response need not wait: if the database failed, that could take as long again.
      req.session.destroy((failure) => {
        if (failure) console.error(`Could not delete an unused session: ${reason(failure)}`);
      });
      throw error;
    }
  }

  /** @returns where a user is logged in, the latest login first. @param sid the session that is asking. */
  async list(userId: number, sid: string) {
    const sessions = await inTime(this.#store.sessionsOf(userId));
    const shown = sessions.map(({ storedId, session, seen }) => ({
      ...session.login,
      current: storedId === this.#store.storedId(sid),
      lastSeenAt: new Date(seen).toISOString(),
    }));
    return shown.sort((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt));
  }

  /** Ends one session of a user. @returns whether there was one of that id. */
  async end(userId: number, id: string): Promise<boolean> {
    const sessions = await inTime(this.#store.sessionsOf(userId));
    const found = sessions.find(({ session }) => session.login.id === id);
    if (!found) return false;
    return (await this.#end(this.#rows(userId).where({ sid: found.storedId }))) === 1;
  }

  /** Ends all sessions of a user but one. */
  async endOthers(userId: number, sid: string): Promise<void> {
    await this.#end(this.#rows(userId).whereNot({ sid: this.#store.storedId(sid) }));
  }

  /**
   * Ends all sessions of a user, because one of them changes the account.
   *
   * @param sid the session that is asking.
   * @param transaction with the change that this is part of.
   * @throws {HttpError} 401 when that session has ended meanwhile, because another change came first.
   */
  async endAll(userId: number, sid: string, transaction: Knex): Promise<void> {
    const live = this.#rows(userId).select('sid');
    const sids: string[] = await transaction('sessions').whereIn('sid', live).pluck('sid');
    if (!sids.includes(this.#store.storedId(sid))) throw createError(401, 'Log in first.');
    await transaction('sessions').whereIn('sid', sids).delete();
  }

  /** When a user has too many sessions, those end that have been idle for the longest time. */
  async #endLeastRecent(userId: number): Promise<void> {
    const latestFirst = this.#rows(userId).orderBy('seen', 'desc');
    await this.#end(latestFirst.offset(MAX_SESSIONS).limit(1000));
  }

  #rows(userId: number): Knex.QueryBuilder {
    return this.#store.rowsOf(userId);
  }

  #end(rows: Knex.QueryBuilder): Promise<number> {
    return inTime(this.#store.knex('sessions').whereIn('sid', rows.select('sid')).delete());
  }
}

function call(method: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    method((error) => (error ? reject(error) : resolve()));
  });
}
