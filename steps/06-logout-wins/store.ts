import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Request } from 'express';
import type { SessionData } from 'express-session';
import type { Knex } from 'knex';
import { reason } from '#database/open.ts';
import { type Callback, report } from '#steps/05-failing-database/outcome.ts';
import { Queue } from './queue.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds
const FOREVER = Date.parse('9999-12-31'); // later dates are longer text, which SQLite would compare wrongly
const ignore = () => {}; // the library's types require a callback; its promise is enough

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends ConnectSessionKnexStore {
  readonly knex: Knex;
  readonly #rows = new WeakMap<SessionData, string>(); // the id of the row that holds a session
  readonly #queue = new Queue();

  /** @param cleanupInterval how often expired rows are deleted, in milliseconds; 0 means never. */
  constructor({ knex, cleanupInterval = HOUR }: { knex: Knex; cleanupInterval?: number }) {
    const onDbCleanupError = (error: unknown) =>
      console.error(`Could not delete expired sessions: ${reason(error)}`);
    const interval = cleanupInterval < 2 ** 31 ? cleanupInterval : 0; // a longer timer fires at once
    super({ knex, createTable: false, cleanupInterval: interval, onDbCleanupError });
    this.knex = knex;
    // The library checks for its table only once. If that failed, every later call would fail, too.
    this.ready.catch(onDbCleanupError);
    this.ready = Promise.resolve();
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return report(callback, null, () =>
      this.#queue.run(() => super.get(sid, ignore).catch(noSession)),
    );
  }

  /** The middleware calls this to make `req.session` from what `get` found in a row. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    this.#rows.set(session, session.id);
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return report(callback, undefined, async () => {
      const expires = expiryOf(session);
      const row = { sid, sess: JSON.stringify(session), expired: iso(expires) }; // the session as it is now
      await this.#queue.run(async () => {
        // If the row of a loaded session is gone, its user has logged out meanwhile: write nothing.
        if (this.#rows.get(session) === sid) await this.#liveRows().where({ sid }).update(row);
        else await this.knex('sessions').insert(row).onConflict('sid').merge();
        this.#rows.set(session, sid);
      });
    });
  }

  override touch(sid: string, session: SessionData, callback?: Callback<void>) {
    // The response is already on its way to the browser: an error now could only cut it off.
    const done: Callback<void> = (error) => {
      if (error) console.error(`Could not extend a session: ${reason(error)}`);
      callback?.(null);
    };
    return report(done, undefined, () => this.#queue.run(() => super.touch(sid, session)));
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return report(callback, 0, () => this.#queue.run(() => super.destroy(sid)));
  }

  override all(callback?: Callback<SessionData[]>) {
    return report(callback, [], () => this.#queue.run(() => super.all(ignore)));
  }

  override length(callback?: Callback<number>) {
    return report(callback, 0, () =>
      this.#queue.run(async () => (await super.length(ignore)) ?? 0),
    );
  }

  override clear(callback?: Callback<number>) {
    return report(callback, 0, () => this.#queue.run(() => super.clear()));
  }

  /** Waits for work in progress, and stops the library's clean-up. After that, the database can be closed. */
  async close(): Promise<void> {
    Object.assign(this.options, { cleanupInterval: 0, onDbCleanupError: ignore });
    await this.length(); // Knex has one connection, so this query runs after all earlier ones
    clearTimeout(this.nextDbCleanup);
  }

  #liveRows() {
    return this.knex('sessions').where('expired', '>', iso(Date.now()));
  }
}

/** Treats a row that is not JSON as no session: its user has to log in again, and nobody else is affected. */
function noSession(error: unknown): null {
  if (!(error instanceof SyntaxError)) throw error;
  console.error('Ignored a corrupt row in the sessions table.');
  return null;
}

/** When a session ends: when its cookie does, or in a day if the cookie has no date and ends with the browser. */
function expiryOf({ cookie }: SessionData): number {
  const expires = new Date(cookie.expires ?? Number.NaN).getTime();
  return Number.isNaN(expires) ? Date.now() + 24 * HOUR : Math.min(expires, FOREVER);
}

/** A time as text of fixed width, which SQLite sorts correctly: earlier is less. */
function iso(time: number): string {
  return new Date(time).toISOString();
}
