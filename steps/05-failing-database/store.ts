import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { SessionData } from 'express-session';
import type { Knex } from 'knex';
import { reason } from '#database/open.ts';
import { type Callback, report } from './outcome.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds
const ignore = () => {}; // the library's types ask for a callback; its promise says the same

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends ConnectSessionKnexStore {
  /** @param cleanupInterval how often expired rows are deleted, in milliseconds; 0 means never. */
  constructor({ knex, cleanupInterval = HOUR }: { knex: Knex; cleanupInterval?: number }) {
    const onDbCleanupError = (error: unknown) =>
      console.error(`Expired sessions were not deleted: ${reason(error)}`);
    const interval = cleanupInterval < 2 ** 31 ? cleanupInterval : 0; // a longer timer fires at once
    super({ knex, createTable: false, cleanupInterval: interval, onDbCleanupError });
    // The library looks for its table once, and would remember forever that the database was unavailable.
    this.ready.catch(onDbCleanupError);
    this.ready = Promise.resolve();
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return report(callback, null, () => super.get(sid, ignore).catch(noSession));
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return report(callback, undefined, () => super.set(sid, session));
  }

  override touch(sid: string, session: SessionData, callback?: Callback<void>) {
    // The answer is already on its way to the browser: an error now could only cut it off.
    const done: Callback<void> = (error) => {
      if (error) console.error(`The expiry of a session was not moved: ${reason(error)}`);
      callback?.(null);
    };
    return report(done, undefined, () => super.touch(sid, session));
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return report(callback, 0, () => super.destroy(sid));
  }

  override all(callback?: Callback<SessionData[]>) {
    return report(callback, [], () => super.all(ignore));
  }

  override length(callback?: Callback<number>) {
    return report(callback, 0, async () => (await super.length(ignore)) ?? 0);
  }

  override clear(callback?: Callback<number>) {
    return report(callback, 0, () => super.clear());
  }

  /** Waits for work in progress, and stops the library's clean-up. Then the database can be closed. */
  async close(): Promise<void> {
    Object.assign(this.options, { cleanupInterval: 0, onDbCleanupError: ignore });
    await this.length(); // Knex has one connection, so this query runs after all earlier ones
    clearTimeout(this.nextDbCleanup);
  }
}

/** A row that is not JSON holds no session: its user has to log in again, and nobody else is affected. */
function noSession(error: unknown): null {
  if (!(error instanceof SyntaxError)) throw error;
  console.error('A row in the sessions table holds no session. It was ignored.');
  return null;
}
