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

/** A live session. The database compares its times with its own clock, and says how far away they are, in milliseconds. */
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

// jsonb has no \u0000: a session with that in it keeps its old cookie, and only its expiry moves.
const replaceCookie = `case when strpos(sess::text, '\\u0000') > 0 then sess
  else jsonb_set(sess::jsonb, '{cookie}', ?::jsonb)::json end`;

const ATTRIBUTES = ['domain', 'httpOnly', 'partitioned', 'path', 'priority', 'sameSite', 'secure'];

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends Store {
  readonly knex: Knex;
  readonly storedId = storedId; // for /inspect
  // The row that a session has: its id, when it was written, by this server's clock, and its cookie.
  readonly #rows = new WeakMap<SessionData, Remembered>();
  readonly #queues = new Queues();
  readonly #select: (values: string[]) => Promise<Row | undefined>;
  readonly #pruning: Pruning;
  readonly #idleTimeout: number;

  /**
   * @param options.cleanupInterval how often expired rows are deleted, in milliseconds; 0 means never.
   * @param options.idleTimeout how long a session without a date lives after its last request, in milliseconds.
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

  /** The middleware makes the session of a request here, from what `get` found in a row. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    this.#remember(session, session.id, this.#rows.get(data)?.seen ?? 0);
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return report(callback, undefined, async () => {
      const now = Date.now();
      const sess = JSON.stringify(session); // as it is now
      const life = this.#lifeOf(session);
      const left = (session.endsAt ?? FOREVER) - now;
      await this.#queues.run(sid, async () => {
        // If a loaded session has lost its row, its user has logged out meanwhile: write nothing.
        if (this.#rows.get(session)?.sid === sid) {
          await this.#live(sid).update({ sess, ...this.#seenNow(life) });
        } else {
          const ends = fromNow(this.knex, left);
          const row = { sid: storedId(sid), sess, ends, seen: fromNow(this.knex) };
          const expired = fromNow(this.knex, Math.min(life, left));
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
    // The answer is already on its way to the browser: an error now could only cut it off.
    const done: Callback<void> = (error) => {
      if (error) console.error(`The expiry of a session was not moved: ${reason(error)}`);
      callback?.(null);
    };
    return report(done, undefined, async () => {
      const row = this.#rows.get(session);
      const now = Date.now();
      const life = this.#lifeOf(session);
      // The expiry moves in steps, of a minute or a tenth of its life. In between, nothing is written.
      const isRecent = row?.sid === sid && now - row.seen < Math.min(HOUR / 60, life / 10);
      const isSame = row?.cookie === contentOf(session);
      if (isRecent && isSame) return;
      const cookie = JSON.stringify(session.cookie);
      const sess = this.knex.raw(replaceCookie, [cookie]);
      const change = { ...this.#seenNow(life), ...(!isSame && { sess }) };
      await this.#queues.run(sid, () => this.#live(sid).update(change));
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

  /** Deletes expired rows. It also runs on its own. */
  prune(): Promise<void> {
    return this.#pruning.run();
  }

  /** Waits for work in progress, and stops the pruning. Then the database can be closed. */
  async close(): Promise<void> {
    await this.#pruning.stop();
    await this.#queues.settled();
  }

  #remember(session: SessionData, sid: string, seen: number) {
    this.#rows.set(session, { sid, seen, cookie: contentOf(session) });
  }

  /** How long a session lives from now on: as long as its cookie, or the idle timeout. In milliseconds. */
  #lifeOf({ cookie }: SessionData): number {
    const date = new Date(cookie.expires ?? Number.NaN).getTime();
    return Number.isNaN(date) ? this.#idleTimeout : Math.min(date, FOREVER) - Date.now();
  }

  /** What a request changes in its row: the expiry moves on, but never beyond the end. */
  #seenNow(life: number) {
    const { knex } = this;
    return { expired: knex.raw('least(?, ends)', [fromNow(knex, life)]), seen: fromNow(knex) };
  }

  #live(sid: string) {
    return this.#liveRows().where({ sid: storedId(sid) });
  }

  #liveRows() {
    return this.knex('sessions').where('expired', '>', fromNow(this.knex));
  }
}

/** The session in a row. Its times, which the database knows, become times of this server's clock. */
function sessionIn({ sess, expires_in, ends_in }: Row): SessionData | null {
  const session = parse({ sess, expired: new Date(Date.now() + expires_in).toISOString() });
  if (session?.endsAt) session.endsAt = Date.now() + ends_in;
  return session;
}

/** What the cookie says: not its dates, which change with every request, but how long it lasts, in seconds. */
function contentOf({ cookie }: SessionData): string {
  const life = cookie.expires ? Math.round((cookie.originalMaxAge ?? 0) / 1000) : null;
  return JSON.stringify([life, cookie], ATTRIBUTES);
}
