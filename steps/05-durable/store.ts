import { setTimeout as pause } from 'node:timers/promises';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Request } from 'express';
import type { SessionData } from 'express-session';
import { reason } from '#database/open.ts';

const MINUTE = 60 * 1000; // in milliseconds, as all durations here
const DAY = 24 * 60 * MINUTE;
const PATIENCE = 2000; // no request waits longer than this for one answer of the database
const BATCH = 100; // the expired rows that one statement deletes: it holds the write lock so long
const PAUSE = 10; // and then it lets others write: SQLite has no queue, they only look now and then

/** The database did not do what a session needed. */
export class StoreError extends Error {}

type Options = ConstructorParameters<typeof ConnectSessionKnexStore>[0];
type Callback<T> = (error: unknown, result?: T) => void;

/** What the row of a session held when this process last read or wrote it. */
interface Stored {
  data: string;
  expires: number;
}

/**
 * Sessions in a database that may fail. Each method calls back exactly once, within two seconds, and its
 * promise never rejects: express-session drops it, and Node ends a process for a rejection that nobody
 * handles. The table is there before the store: a migration makes it.
 */
export class DurableStore extends ConnectSessionKnexStore {
  // Which sessions have a row, and what is in it. Forgotten with the request that the session was for.
  readonly #stored = new WeakMap<SessionData, Stored>();
  readonly #select: string;
  readonly #timer: NodeJS.Timeout;
  #pruning: Promise<void> | undefined;
  #closed = false;

  /** @param options as for the parent; `cleanupInterval` is how often expired rows are deleted. */
  constructor({ cleanupInterval = 60 * MINUTE, ...options }: Options) {
    super({ ...options, createTable: false, cleanupInterval: 0 }); // 0: no clean-up by the parent
    // The parent looks for the table once, and would remember for good that the database was away.
    this.ready.catch(() => {});
    this.ready = Promise.resolve();
    // The one statement of most requests. To have Knex build it each time would cost more than to run it.
    this.#select = this.#row('').select('sess', 'expired').toSQL().sql;
    this.#timer = setInterval(() => this.prune(), cleanupInterval).unref();
    void this.prune(); // a server that is deployed often must not wait an hour for its first time
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return this.#answer(callback, null, async () => {
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
    return this.#answer(callback, undefined, async () => {
      const { stored, expires } = this.#compare(session);
      const data = dataOf(session);
      if (stored && !stored.isDue && stored.data === data) return; // saved again, with nothing new
      const row = { sess: JSON.stringify(session), expired: iso(expires) };
      // Only a new session is inserted. If one that had a row has none any more, its user logged out
      // while this request ran: that is as if they had done so just after it, and no error.
      if (stored) await this.#liveRow(sid).update(row);
      else await this.#insert(sid, row);
      this.#stored.set(session, { data, expires });
    });
  }

  /** Moves the expiry on, in steps: in between, a request that changes nothing writes nothing. */
  override touch(sid: string, session: SessionData, callback?: Callback<void>): Promise<void> {
    const { stored, expires } = this.#compare(session);
    if (stored && !stored.isDue) {
      callback?.(null);
      return Promise.resolve();
    }
    // The answer is on its way to the browser already: an error now could only tear it.
    const done: Callback<void> = (error) => {
      if (error) console.error(`The expiry of a session could not be moved on: ${reason(error)}`);
      callback?.(null);
    };
    return this.#answer(done, undefined, async () => {
      await this.#liveRow(sid).update({ expired: iso(expires) });
      if (stored) this.#stored.set(session, { data: stored.data, expires });
    });
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return this.#answer(callback, 0, () => super.destroy(sid));
  }

  override length(callback?: Callback<number>) {
    return this.#answer(callback, 0, async () => (await super.length(() => {})) ?? 0);
  }

  override clear(callback?: Callback<number>) {
    return this.#answer(callback, 0, () => super.clear());
  }

  override all(callback?: Callback<SessionData[]>) {
    return this.#answer(callback, [], async () => {
      const payloads = await this.#rows().where('expired', '>', iso(Date.now())).pluck('sess');
      return payloads.flatMap((sess) => parse(sess) ?? []);
    });
  }

  /** Deletes expired rows, found by the index on `expired`: a million live ones cost it nothing. */
  prune(): Promise<void> {
    this.#pruning ??= this.#prune().finally(() => {
      this.#pruning = undefined;
    });
    return this.#pruning;
  }

  async #prune(): Promise<void> {
    const { sidFieldName: id } = this.options;
    try {
      for (let deleted = BATCH; deleted === BATCH && !this.#closed; ) {
        const expired = this.#rows().where('expired', '<=', iso(Date.now())).limit(BATCH);
        deleted = await this.#rows().whereIn(id, expired.select(id)).delete();
        if (deleted === BATCH) await pause(PAUSE);
      }
    } catch (error) {
      console.error(`Expired sessions could not be deleted: ${reason(error)}`); // the next time, then
    }
  }

  /** Stops the pruning, and waits for what of it is going on. The database can be closed after it. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#pruning;
  }

  /** Waits for the database, but not for ever, and tells what came of it: in one place, and once. */
  async #answer<T>(callback: Callback<T> | undefined, otherwise: T, work: () => Promise<T>) {
    const [error, result] = await within(PATIENCE, work()).then(
      (result) => [null, result] as const,
      (error) => [new StoreError(reason(error)), otherwise] as const,
    );
    // Not called from here: what a callback throws is not the store's, and must not look like it.
    if (callback) process.nextTick(callback, error, result);
    return result;
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
    return this.options.knex(this.options.tableName);
  }

  #row(sid: string) {
    return this.#rows().where(this.options.sidFieldName, sid);
  }

  #liveRow(sid: string) {
    return this.#row(sid).where('expired', '>', iso(Date.now()));
  }

  async #insert(sid: string, row: { sess: string; expired: string }): Promise<void> {
    const { sidFieldName: id } = this.options;
    await this.#rows()
      .insert({ [id]: sid, ...row })
      .onConflict(id)
      .merge();
  }
}

/** @returns the session in a row. A row that holds none is logged: its user has to log in again, no more. */
function parse(sess: unknown): SessionData | null {
  try {
    const session = typeof sess === 'string' ? JSON.parse(sess) : sess;
    if (typeof session?.cookie === 'object' && session.cookie) return session;
  } catch {} // not JSON
  console.error('A row in the sessions table holds no session. It was ignored.');
  return null;
}

/** What the application keeps in a session: all but the cookie, as express-session sees it. */
function dataOf(session: SessionData): string {
  return JSON.stringify({ ...session, cookie: undefined });
}

/** When a session ends, in milliseconds. One whose cookie ends with the browser has a day. */
function expiryOf({ cookie }: SessionData): number {
  return cookie.expires ? new Date(cookie.expires).getTime() : Date.now() + DAY;
}

/** Text of a fixed width, which SQLite compares as it is, by the index: earlier is less. */
function iso(time: number): string {
  return new Date(time).toISOString();
}

async function within<T>(duration: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${duration} ms`)), duration);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
