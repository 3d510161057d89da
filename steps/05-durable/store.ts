import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Request } from 'express';
import type { SessionData } from 'express-session';
import type { Knex } from 'knex';
import { reason } from '#database/open.ts';
import { answer, type Callback } from './answer.ts';
import { dataOf, expiryOf, iso, parse } from './payload.ts';
import { Pruning } from './pruning.ts';

const MINUTE = 60 * 1000; // in milliseconds

/** What the row of a session held when this process last read or wrote it. */
interface Stored {
  data: string;
  expires: number;
}

/**
 * Sessions in a database that may fail. Each method calls back exactly once, within two seconds, and its
 * promise never rejects: `answer` sees to that. The table is there before the store: a migration makes it.
 */
export class DurableStore extends ConnectSessionKnexStore {
  // Which sessions have a row, and what is in it. Forgotten with the request that the session was for.
  readonly #stored = new WeakMap<SessionData, Stored>();
  readonly #select: string;
  readonly #pruning: Pruning;

  /** @param cleanupInterval how often expired rows are deleted, in milliseconds. */
  constructor({ knex, cleanupInterval = 60 * MINUTE }: { knex: Knex; cleanupInterval?: number }) {
    super({ knex, createTable: false, cleanupInterval: 0 }); // 0: no clean-up by the parent
    // The parent looks for the table once, and would remember for good that the database was away.
    this.ready.catch(() => {});
    this.ready = Promise.resolve();
    // The one statement of most requests. To have Knex build it each time would cost more than to run it.
    this.#select = this.#row('').select('sess', 'expired').toSQL().sql;
    this.#pruning = new Pruning(() => this.#rows(), cleanupInterval);
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return answer(callback, null, async () => {
      const found = await this.options.knex.raw(this.#select, [sid]);
      const [row] = found.rows ?? found; // PostgreSQL's driver would put them into an object
      const expires = row ? new Date(row.expired) : undefined;
      if (!expires || !(expires.getTime() > Date.now())) return null;
      const session = parse(row.sess);
      if (!session) return null;
      // The column moves on with each touch, the date in the payload does not.
      if (session.cookie.expires) session.cookie.expires = expires;
      this.#stored.set(session, { data: dataOf(session), expires: expires.getTime() });
      return session;
    });
  }

  /** express-session makes a request's session of what `get` gave it, here. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    const stored = this.#stored.get(data) ?? { data: dataOf(data), expires: expiryOf(session) };
    this.#stored.set(session, stored);
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return answer(callback, undefined, async () => {
      const { stored, expires } = this.#compare(session);
      const data = dataOf(session);
      if (stored && !stored.isDue && stored.data === data) return; // saved again, with nothing new
      const row = { sid, sess: JSON.stringify(session), expired: iso(expires) };
      // Only a new session is inserted. If one that had a row has none any more, its user logged out
      // while this request ran: that is as if they had done so just after it, and no error.
      if (stored) await this.#liveRow(sid).update(row);
      else await this.#rows().insert(row).onConflict('sid').merge();
      this.#stored.set(session, { data, expires });
    });
  }

  /** Moves the expiry on, in steps: in between, a request that changes nothing writes nothing. */
  override touch(sid: string, session: SessionData, callback?: Callback<void>) {
    const { stored, expires } = this.#compare(session);
    if (stored && !stored.isDue) return Promise.resolve(callback?.(null));
    // The answer is on its way to the browser already: an error now could only tear it.
    const done: Callback<void> = (error) => {
      if (error) console.error(`The expiry of a session could not be moved on: ${reason(error)}`);
      callback?.(null);
    };
    return answer(done, undefined, async () => {
      await this.#liveRow(sid).update({ expired: iso(expires) });
      if (stored) this.#stored.set(session, { data: stored.data, expires });
    });
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return answer(callback, 0, () => super.destroy(sid));
  }

  override length(callback?: Callback<number>) {
    return answer(callback, 0, async () => (await super.length(() => {})) ?? 0);
  }

  override clear(callback?: Callback<number>) {
    return answer(callback, 0, () => super.clear());
  }

  override all(callback?: Callback<SessionData[]>) {
    return answer(callback, [], async () => {
      const payloads = await this.#rows().where('expired', '>', iso(Date.now())).pluck('sess');
      return payloads.flatMap((sess) => parse(sess) ?? []);
    });
  }

  /** Deletes expired rows. It happens by itself, too. */
  prune(): Promise<void> {
    return this.#pruning.run();
  }

  /** Stops what happens by itself. The database can be closed after it. */
  close(): Promise<void> {
    return this.#pruning.stop();
  }

  /** What the row of this session held, and whether the expiry has moved on far enough since. */
  #compare(session: SessionData) {
    const row = this.#stored.get(session);
    const expires = expiryOf(session);
    const step = Math.min(MINUTE, (expires - Date.now()) / 2); // the half of a life that is short
    const stored = row && { ...row, isDue: Math.abs(expires - row.expires) >= step };
    return { stored, expires };
  }

  #rows() {
    return this.options.knex('sessions');
  }

  #row(sid: string) {
    return this.#rows().where({ sid });
  }

  #liveRow(sid: string) {
    return this.#row(sid).where('expired', '>', iso(Date.now()));
  }
}
