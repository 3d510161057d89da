import type { Request } from 'express';
import { type SessionData, Store } from 'express-session';
import type { Knex } from 'knex';
import { reason } from '#database/open.ts';
import { prepareSelect } from '#database/prepared.ts';
import { type Callback, report } from '#steps/05-failing-database/outcome.ts';
import { parse } from '#steps/07-cheap-reads/parse.ts';
import { storedId } from '#steps/08-hardened/session-id.ts';
import { Pruning } from './pruning.ts';
import { Queues } from './queues.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds
const FOREVER = Date.parse('9999-12-31');

declare module 'express-session' {
  interface SessionData {
    /** When the session ends, however active its user is: in milliseconds since 1970. */
    endsAt: number;
  }
}

interface Options {
  knex: Knex;
  cleanupInterval?: number;
  idleTimeout?: number;
}

interface Row {
  sess: string;
  expired: Date;
  seen: Date;
}

interface Remembered {
  sid: string;
  expires: number;
  seen: number;
  cookie: string;
}

const ATTRIBUTES = ['domain', 'httpOnly', 'partitioned', 'path', 'priority', 'sameSite', 'secure'];

// jsonb has no \u0000: a session with that in it keeps its old cookie, and only its expiry moves.
const replaceCookie = `case when strpos(sess::text, '\\u0000') > 0 then sess
  else jsonb_set(sess::jsonb, '{cookie}', ?::jsonb)::json end`;

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends Store {
  readonly knex: Knex;
  readonly storedId = storedId; // for /inspect
  // The row that holds a session: its id, when it expires and was written, and the cookie's attributes.
  readonly #rows = new WeakMap<SessionData, Remembered>();
  readonly #queues = new Queues();
  readonly #select: (values: string[]) => Promise<Row | undefined>;
  readonly #pruning: Pruning;
  readonly #idleTimeout: number;

  /**
   * @param options.cleanupInterval how often expired rows are deleted, in milliseconds; 0 means never.
   * @param options.idleTimeout how long a session lives without a request if its cookie has no date, in milliseconds.
   */
  constructor({ knex, cleanupInterval = HOUR, idleTimeout = HOUR / 2 }: Options) {
    super();
    this.knex = knex;
    this.#idleTimeout = idleTimeout;
    const live = 'select sess::text, expired, seen from sessions where sid = ? and expired > ?';
    this.#select = prepareSelect(knex, live);
    this.#pruning = new Pruning(knex, cleanupInterval);
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return report(callback, null, async () => {
      const row = await this.#queues.run(sid, () => this.#select([storedId(sid), iso(Date.now())]));
      const session = row ? parse({ sess: row.sess, expired: row.expired.toISOString() }) : null;
      if (row && session) this.#remember(session, sid, row.expired.getTime(), row.seen.getTime());
      return session;
    });
  }

  /** The middleware calls this to make `req.session` from what `get` found in a row. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    const { expires = 0, seen = 0 } = this.#rows.get(data) ?? {};
    this.#remember(session, session.id, expires, seen);
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return report(callback, undefined, async () => {
      const expires = this.#expiryOf(session);
      const now = Date.now();
      const sess = JSON.stringify(session); // as it is now
      const row = { sid: storedId(sid), sess, expired: iso(expires), seen: iso(now) };
      await this.#queues.run(sid, async () => {
        // If the row of a loaded session is gone, its user has logged out meanwhile: write nothing.
        if (this.#rows.get(session)?.sid === sid) await this.#liveRow(sid).update(row);
        else await this.knex('sessions').insert(row).onConflict('sid').merge();
        this.#remember(session, sid, expires, now);
      });
    });
  }

  override touch(sid: string, session: SessionData, callback?: Callback<void>) {
    // The response is already on its way to the browser: an error now could only cut it off.
    const done: Callback<void> = (error) => {
      if (error) console.error(`Could not extend a session: ${reason(error)}`);
      callback?.(null);
    };
    return report(done, undefined, async () => {
      const row = this.#rows.get(session);
      const expires = this.#expiryOf(session);
      const now = Date.now();
      // Skip a write that moves the expiry by less than a minute, or than a tenth of the time left if that is shorter.
      const step = Math.min(HOUR / 60, (expires - now) / 10);
      const isNear = row?.sid === sid && Math.abs(expires - row.expires) < step;
      // Near the absolute timeout the expiry no longer moves, but the time of the last request does.
      const isRecent = row !== undefined && now - row.seen < HOUR / 60;
      if (isNear && isRecent && row.cookie === attributesOf(session)) return;
      const cookie = JSON.stringify(session.cookie);
      const sess = this.knex.raw(replaceCookie, [cookie]);
      const change = { sess, expired: iso(expires), seen: iso(now) };
      await this.#queues.run(sid, () => this.#liveRow(sid).update(change));
      if (row) this.#remember(session, sid, expires, now);
    });
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return report(callback, 0, () =>
      this.#queues.run(sid, () =>
        this.knex('sessions')
          .where({ sid: storedId(sid) })
          .delete(),
      ),
    );
  }

  override all(callback?: Callback<SessionData[]>) {
    return report(callback, [], async () => {
      await this.#queues.settled();
      const rows = await this.#liveRows().select(this.knex.raw('sess::text'), 'expired');
      return rows.flatMap((row) => parse(row) ?? []);
    });
  }

  override length(callback?: Callback<number>) {
    return report(callback, 0, async () => {
      await this.#queues.settled();
      const [row] = await this.#liveRows().count({ alive: '*' });
      return Number(row?.alive);
    });
  }

  override clear(callback?: Callback<number>) {
    return report(callback, 0, async () => {
      await this.#queues.settled();
      return this.knex('sessions').delete();
    });
  }

  /** Deletes expired rows, which the store also does by itself. */
  prune(): Promise<void> {
    return this.#pruning.run();
  }

  /** Waits for work in progress, and stops the pruning. After that, the database can be closed. */
  async close(): Promise<void> {
    await this.#pruning.stop();
    await this.#queues.settled();
  }

  #remember(session: SessionData, sid: string, expires: number, seen: number) {
    this.#rows.set(session, { sid, expires, seen, cookie: attributesOf(session) });
  }

  /** When a session ends: when its cookie does, or after the idle timeout; and never after `endsAt`. */
  #expiryOf({ cookie, endsAt = FOREVER }: SessionData): number {
    const date = new Date(cookie.expires ?? Number.NaN).getTime();
    return Math.min(Number.isNaN(date) ? Date.now() + this.#idleTimeout : date, endsAt, FOREVER);
  }

  #liveRow(sid: string) {
    return this.#liveRows().where({ sid: storedId(sid) });
  }

  #liveRows() {
    return this.knex('sessions').where('expired', '>', iso(Date.now()));
  }
}

/** A time of this server's clock, for PostgreSQL. */
function iso(time: number): string {
  return new Date(time).toISOString();
}

/** The cookie's attributes as text. Its date changes with every request: only whether it has one counts. */
function attributesOf({ cookie }: SessionData): string {
  return JSON.stringify([Boolean(cookie.expires), cookie], ATTRIBUTES);
}
