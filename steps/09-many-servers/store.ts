import type { Request } from 'express';
import { type SessionData, Store } from 'express-session';
import type { Knex } from 'knex';
import { fromNow } from '#database/clock.ts';
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
    /** When the session ends, however active its user is: in milliseconds since 1970, by this server's clock. */
    endsAt: number;
  }
}

interface Options {
  knex: Knex;
  cleanupInterval?: number;
  idleTimeout?: number;
}

/** A live session. Its times are relative to the database's clock: how long until then, or since, in milliseconds. */
interface Row {
  sess: string;
  expires_in: number;
  ends_in: number;
  seen_ago: number;
}

interface Remembered {
  sid: string;
  seen: number;
  cookie: string;
}

// jsonb cannot hold \u0000: a session that contains it keeps its old cookie, and only its expiry moves.
const replaceCookie = `case when strpos(sess::text, '\\u0000') > 0 then sess
  else jsonb_set(sess::jsonb, '{cookie}', ?::jsonb)::json end`;

const ATTRIBUTES = ['domain', 'httpOnly', 'partitioned', 'path', 'priority', 'sameSite', 'secure'];

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends Store {
  readonly knex: Knex;
  readonly storedId = storedId; // for /inspect
  // The row that holds a session: its id, when it was written, by this server's clock, and the cookie's attributes.
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
    this.#select = prepareSelect(
      knex,
      `select sess::text,
         (extract(epoch from expired - now()) * 1000)::float as expires_in,
         (extract(epoch from ends - now()) * 1000)::float as ends_in,
         (extract(epoch from now() - seen) * 1000)::float as seen_ago
       from sessions where sid = ? and expired > now()`,
    );
    this.#pruning = new Pruning(knex, cleanupInterval);
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return report(callback, null, async () => {
      const row = await this.#queues.run(sid, () => this.#select([storedId(sid)]));
      const session = row ? sessionIn(row) : null;
      if (row && session) this.#remember(session, sid, Date.now() - row.seen_ago);
      return session;
    });
  }

  /** The middleware calls this to make `req.session` from what `get` found in a row. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    this.#remember(session, session.id, this.#rows.get(data)?.seen ?? 0);
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return report(callback, undefined, async () => {
      const now = Date.now();
      const sess = JSON.stringify(session); // as it is now
      const lifetime = this.#lifetimeOf(session);
      const left = (session.endsAt ?? FOREVER) - now;
      await this.#queues.run(sid, async () => {
        // If the row of a loaded session is gone, its user has logged out meanwhile: write nothing.
        if (this.#rows.get(session)?.sid === sid) {
          await this.#liveRow(sid).update({ sess, ...this.#seenNow(lifetime) });
        } else {
          const ends = fromNow(this.knex, left);
          const row = { sid: storedId(sid), sess, ends, seen: fromNow(this.knex) };
          const expired = fromNow(this.knex, Math.min(lifetime, left));
          await this.knex('sessions')
            .insert({ ...row, expired })
            .onConflict('sid')
            .merge();
        }
        this.#remember(session, sid, now);
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
      const now = Date.now();
      const lifetime = this.#lifetimeOf(session);
      // Skip a write within a minute of the last one, or within a tenth of the lifetime if that is shorter.
      const isRecent = row?.sid === sid && now - row.seen < Math.min(HOUR / 60, lifetime / 10);
      const isSame = row?.cookie === attributesOf(session);
      if (isRecent && isSame) return;
      const cookie = JSON.stringify(session.cookie);
      const sess = this.knex.raw(replaceCookie, [cookie]);
      const change = { ...this.#seenNow(lifetime), ...(!isSame && { sess }) };
      await this.#queues.run(sid, () => this.#liveRow(sid).update(change));
      if (row) this.#remember(session, sid, now);
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
      const { knex } = this;
      const rows = await this.#liveRows().select(knex.raw('sess::text'), 'expired');
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

  #remember(session: SessionData, sid: string, seen: number) {
    this.#rows.set(session, { sid, seen, cookie: attributesOf(session) });
  }

  /** How long a session lives from now on: as long as its cookie, or the idle timeout. In milliseconds. */
  #lifetimeOf({ cookie }: SessionData): number {
    const date = new Date(cookie.expires ?? Number.NaN).getTime();
    return Number.isNaN(date) ? this.#idleTimeout : Math.min(date, FOREVER) - Date.now();
  }

  /** What each request changes in its row: the expiry moves on, but never past the absolute timeout. */
  #seenNow(lifetime: number) {
    const { knex } = this;
    return { expired: knex.raw('least(?, ends)', [fromNow(knex, lifetime)]), seen: fromNow(knex) };
  }

  #liveRow(sid: string) {
    return this.#liveRows().where({ sid: storedId(sid) });
  }

  #liveRows() {
    return this.knex('sessions').where('expired', '>', fromNow(this.knex));
  }
}

/** The session in a row, with its times converted to this server's clock. */
function sessionIn({ sess, expires_in, ends_in }: Row): SessionData | null {
  const session = parse({ sess, expired: new Date(Date.now() + expires_in).toISOString() });
  if (session?.endsAt) session.endsAt = Date.now() + ends_in;
  return session;
}

/** The cookie's attributes as text. Its date changes with every request: only its lifetime counts, in seconds. */
function attributesOf({ cookie }: SessionData): string {
  const lifetime = cookie.expires ? Math.round((cookie.originalMaxAge ?? 0) / 1000) : null;
  return JSON.stringify([lifetime, cookie], ATTRIBUTES);
}
