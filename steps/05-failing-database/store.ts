import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { SessionData } from 'express-session';
import type { Knex } from 'knex';
import { reason } from '#database/errors.ts';
import { expectDialect } from './dialect.ts';
import { type Callback, onlyLog, settle } from './outcome.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds
const ignore = () => {}; // the library's types require a callback; its promise is enough

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends ConnectSessionKnexStore {
  protected settle = settle; // all methods go through it, and step 06 overrides it

  /** @param cleanupInterval how often expired rows are deleted, in milliseconds; 0 means never. */
  constructor({ knex, cleanupInterval = HOUR }: { knex: Knex; cleanupInterval?: number }) {
    expectDialect(knex, 'sqlite3', 'postgresql', 'mysql', 'mssql');
    const onDbCleanupError = (error: unknown) =>
      console.error(`Could not delete expired sessions: ${reason(error)}`);
    const interval = cleanupInterval < 2 ** 31 ? cleanupInterval : 0; // a longer timer fires at once
    super({ knex, createTable: false, cleanupInterval: interval, onDbCleanupError });
    // The library checks for its table only once. If that failed, every later call would fail, too.
    this.ready.catch(onDbCleanupError);
    this.ready = Promise.resolve();
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return this.settle(callback, null, () => super.get(sid, ignore).catch(noSession));
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return this.settle(callback, undefined, () => super.set(sid, session));
  }

  override touch(sid: string, session: SessionData, callback?: Callback<void>) {
    return this.settle(onlyLog(callback), undefined, () => super.touch(sid, session));
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return this.settle(callback, 0, () => super.destroy(sid));
  }

  override all(callback?: Callback<SessionData[]>) {
    return this.settle(callback, [], () => super.all(ignore));
  }

  override length(callback?: Callback<number>) {
    return this.settle(callback, 0, async () => (await super.length(ignore)) ?? 0);
  }

  override clear(callback?: Callback<number>) {
    return this.settle(callback, 0, () => super.clear());
  }

  /** Waits for work in progress, and stops the library's clean-up. After that, the database can be closed. */
  async close(): Promise<void> {
    Object.assign(this.options, { cleanupInterval: 0, onDbCleanupError: ignore });
    await this.length(); // Knex has one connection, so this query runs after all earlier ones
    clearTimeout(this.nextDbCleanup);
  }
}

/** Treats a row that is not JSON as no session: its user has to log in again, and nobody else is affected. */
function noSession(error: unknown): null {
  if (!(error instanceof SyntaxError)) throw error;
  console.error('Ignored a corrupt row in the sessions table.');
  return null;
}
