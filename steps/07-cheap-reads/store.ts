import type { Request } from 'express';
import { type SessionData, Store } from 'express-session';
import type { Knex } from 'knex';
import { expectDialect } from '#steps/05-failing-database/dialect.ts';
import { type Callback, onlyLog, settle } from '#steps/05-failing-database/outcome.ts';
import { expiryOf, iso } from '#steps/06-logout-wins/expiry.ts';
import { Queue } from '#steps/06-logout-wins/queue.ts';
import { Pruning } from './pruning.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds

const ATTRIBUTES = ['domain', 'httpOnly', 'partitioned', 'path', 'priority', 'sameSite', 'secure'];

export interface Options {
  knex: Knex;
  cleanupInterval?: number;
}

/** The columns that hold times, such as when the session expires: in milliseconds, by this server's clock. */
export interface Times {
  expired: number;
  [column: string]: number;
}

/** What `get` reads in a row. */
export interface Row {
  /** The id in the table. */
  sid: string;
  sess: string;
  times: Times;
}

/** What the store knows about the row that holds a session. */
interface RowState {
  sid: string;
  times: Times;
  /** The cookie's attributes. */
  cookie: string;
}

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends Store {
  readonly knex: Knex;
  readonly #rows = new WeakMap<SessionData, RowState>();
  readonly #queue = new Queue();
  readonly #pruning: Pruning;

  /** @param cleanupInterval how often expired rows are deleted, in milliseconds; 0 means never. */
  constructor({ knex, cleanupInterval = HOUR }: Options) {
    super();
    this.expectDatabase(knex);
    this.knex = knex;
    this.#pruning = this.startPruning(cleanupInterval);
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return settle(callback, null, async () => {
      const [row] = await this.inOrder(() => this.read(this.liveRow(sid)), sid);
      const session = row ? this.sessionIn(row) : null;
      if (row && session) this.#rows.set(session, stateOf(sid, session, row.times));
      return session;
    });
  }

  /** The middleware calls this to make `req.session` from what `get` found in a row. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    const { times = { expired: 0 } } = this.#rows.get(data) ?? {};
    this.#rows.set(session, stateOf(session.id, session, times));
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return settle(callback, undefined, async () => {
      const sess = JSON.stringify(session); // the session as it is now
      const columns = this.columnsOf(sid, session);
      const now = stateOf(sid, session, this.timesOf(session));
      await this.inOrder(async () => {
        const before = this.#rows.get(session);
        const row = { ...columns, sess, ...this.#changed(now, before) };
        // If the row of a loaded session is gone, its user has logged out meanwhile: write nothing.
        if (before?.sid === sid) await this.liveRow(sid).update(row);
        else await this.knex('sessions').insert(row).onConflict('sid').merge();
        this.#rows.set(session, now);
      }, sid);
    });
  }

  override touch(sid: string, session: SessionData, callback?: Callback<void>) {
    return settle(onlyLog(callback), undefined, async () => {
      const before = this.#rows.get(session);
      const now = stateOf(sid, session, this.timesOf(session));
      const isSame = before?.sid === sid && before.cookie === now.cookie;
      if (isSame && isNear(now.times, before.times)) return;
      const cookie = JSON.stringify(session.cookie);
      await this.inOrder(async () => {
        const times = this.#changed(now, before);
        if (isSame) await this.liveRow(sid).update(times);
        else await this.#replaceCookie(sid, cookie, times);
      }, sid);
      if (before) this.#rows.set(session, now);
    });
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return settle(callback, 0, () => {
      const row = { sid: this.storedId(sid) };
      return this.inOrder(() => this.knex('sessions').where(row).delete(), sid);
    });
  }

  override all(callback?: Callback<SessionData[]>) {
    return settle(callback, [], async () => {
      const rows = await this.inOrder(() => this.read(this.liveRows()));
      return rows.flatMap((row) => this.sessionIn(row) ?? []);
    });
  }

  override length(callback?: Callback<number>) {
    return settle(callback, 0, async () => {
      const [row] = await this.inOrder(() => this.liveRows().count({ alive: '*' }));
      return Number(row?.alive);
    });
  }

  override clear(callback?: Callback<number>) {
    return settle(callback, 0, () => this.inOrder(() => this.knex('sessions').delete()));
  }

  /** Deletes expired rows, which the store also does by itself. */
  prune(): Promise<void> {
    return this.#pruning.run();
  }

  /** Waits for work in progress, and stops the pruning. After that, the database can be closed. */
  async close(): Promise<void> {
    await this.#pruning.stop();
    await this.length();
  }

  /** Writes the cookie into the session as it is stored now, because another request may have saved it meanwhile. */
  async #replaceCookie(sid: string, cookie: string, times: object): Promise<void> {
    await this.knex.transaction(async (transaction) => {
      const liveRow = () => this.liveRow(sid).transacting(transaction);
      const [row] = await this.read(liveRow().forUpdate()); // SQLite has no locks on rows, and needs none
      const session = row && parse(row.sess, row.times.expired);
      if (!session) return;
      const sess = JSON.stringify({ ...session, cookie: JSON.parse(cookie) });
      await liveRow().update({ sess, ...times });
    });
  }

  /** The times to write, as values in a query. In a row that the store knows, what has not changed is left as it is. */
  #changed({ sid, times }: RowState, before?: RowState): Record<string, Knex.Value> {
    const isNew = ([column, time]: [string, number]) =>
      before?.sid !== sid || before.times[column] !== time;
    const changed = Object.entries(times).filter(isNew);
    return Object.fromEntries(changed.map(([column, time]) => [column, this.at(time)]));
  }

  // What follows is what another store may do differently, if it extends this one.

  /** @throws {TypeError} when this store cannot use that database. */
  protected expectDatabase(knex: Knex): void {
    expectDialect(knex, 'sqlite3');
  }

  protected startPruning(interval: number): Pruning {
    return new Pruning(this.knex, interval);
  }

  /** Runs work after all that was queued before it: on one session, or on all. */
  protected inOrder<T>(work: () => Promise<T>, _sid?: string): Promise<T> {
    return this.#queue.run(work);
  }

  /** @returns the id in the row of a session. */
  storedId(sid: string): string {
    return sid;
  }

  /** The columns of a row beside the session and its times. */
  protected columnsOf(sid: string, _session: SessionData): object {
    return { sid: this.storedId(sid) };
  }

  protected timesOf(session: SessionData): Times {
    return { expired: expiryOf(session) };
  }

  /** A time, in milliseconds, as a value in a query. */
  at(time: number): Knex.Value {
    return iso(time);
  }

  protected async read(rows: Knex.QueryBuilder): Promise<Row[]> {
    const found: { sid: string; sess: string; expired: string }[] = await rows.select('*');
    return found.map(({ sid, sess, expired }) => ({
      sid,
      sess,
      times: { expired: Date.parse(expired) },
    }));
  }

  protected sessionIn({ sess, times }: Row): SessionData | null {
    return parse(sess, times.expired);
  }

  protected liveRow(sid: string): Knex.QueryBuilder {
    return this.liveRows().where({ sid: this.storedId(sid) });
  }

  protected liveRows(): Knex.QueryBuilder {
    return this.knex('sessions').where('expired', '>', this.at(Date.now()));
  }
}

/** What the store knows about a row once it has read or written it: the session may change while it is writing. */
function stateOf(sid: string, session: SessionData, times: Times): RowState {
  return { sid, times, cookie: attributesOf(session) };
}

/** Whether each time moves by less than a minute, or than a tenth of the time left if that is shorter. */
function isNear(times: Times, before: Times): boolean {
  const step = Math.min(HOUR / 60, (times.expired - Date.now()) / 10);
  const distances = Object.entries(times).map(([column, time]) => time - (before[column] ?? 0));
  return distances.every((distance) => Math.abs(distance) < step);
}

/** The cookie's attributes as text. Its date changes with every request: only its lifetime counts, in seconds. */
function attributesOf({ cookie }: SessionData): string {
  const lifetime = cookie.expires ? Math.round((cookie.originalMaxAge ?? 0) / 1000) : null;
  return JSON.stringify([lifetime, cookie], ATTRIBUTES);
}

/**
 * @param sess the text in a row.
 * @param expired when the row expires, in milliseconds.
 * @returns the session, or null if the row is corrupt: then its user has to log in again.
 */
function parse(sess: string, expired: number): SessionData | null {
  try {
    const session = JSON.parse(sess);
    if (typeof session.cookie !== 'object') throw new TypeError('no cookie');
    // The column says when the session ends. The date in the text may be older.
    if (session.cookie.expires) session.cookie.expires = new Date(expired);
    return session;
  } catch {
    console.error('Ignored a corrupt row in the sessions table.');
    return null;
  }
}
