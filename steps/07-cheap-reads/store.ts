import type { Request } from 'express';
import { type SessionData, Store } from 'express-session';
import type { Knex } from 'knex';
import { reason } from '#database/open.ts';
import { prepareSelect } from '#database/prepared.ts';
import { type Callback, report } from '#steps/05-failing-database/outcome.ts';
import { Queue } from '#steps/06-logout-wins/queue.ts';
import { parse, type Row } from './parse.ts';
import { Pruning } from './pruning.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds
const FOREVER = Date.parse('9999-12-31'); // later dates are longer text, which SQLite would compare wrongly

const ATTRIBUTES = ['domain', 'httpOnly', 'partitioned', 'path', 'priority', 'sameSite', 'secure'];

/** Sessions in a database that may fail: each method calls back exactly once, and never rejects. */
export class SessionStore extends Store {
  readonly knex: Knex;
  // The row that holds a session: its id, when it expires, in milliseconds, and the cookie's attributes.
  readonly #rows = new WeakMap<SessionData, { sid: string; expires: number; cookie: string }>();
  readonly #queue = new Queue();
  readonly #select: (values: string[]) => Promise<Row | undefined>;
  readonly #pruning: Pruning;

  /** @param cleanupInterval how often expired rows are deleted, in milliseconds; 0 means never. */
  constructor({ knex, cleanupInterval = HOUR }: { knex: Knex; cleanupInterval?: number }) {
    super();
    this.knex = knex;
    const live = 'select sess, expired from sessions where sid = ? and expired > ?';
    this.#select = prepareSelect(knex, live);
    this.#pruning = new Pruning(knex, cleanupInterval);
  }

  override get(sid: string, callback?: Callback<SessionData | null>) {
    return report(callback, null, async () => {
      const row = await this.#queue.run(() => this.#select([sid, iso(Date.now())]));
      const session = row ? parse(row) : null;
      if (row && session) this.#remember(session, sid, Date.parse(row.expired));
      return session;
    });
  }

  /** The middleware calls this to make `req.session` from what `get` found in a row. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    this.#remember(session, session.id, this.#rows.get(data)?.expires ?? 0);
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return report(callback, undefined, async () => {
      const expires = expiryOf(session);
      const row = { sid, sess: JSON.stringify(session), expired: iso(expires) }; // the session as it is now
      await this.#queue.run(async () => {
        // If the row of a loaded session is gone, its user has logged out meanwhile: write nothing.
        if (this.#rows.get(session)?.sid === sid) await this.#liveRows().where({ sid }).update(row);
        else await this.knex('sessions').insert(row).onConflict('sid').merge();
        this.#remember(session, sid, expires);
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
      const expires = expiryOf(session);
      // Skip a write that moves the expiry by less than a minute, or than a tenth of the time left if that is shorter.
      const step = Math.min(HOUR / 60, (expires - Date.now()) / 10);
      const isNear = row?.sid === sid && Math.abs(expires - row.expires) < step;
      if (isNear && row.cookie === attributesOf(session)) return;
      const cookie = JSON.stringify(session.cookie);
      const sess = this.knex.raw("json_set(sess, '$.cookie', json(?))", [cookie]);
      const change = { sess, expired: iso(expires) };
      await this.#queue.run(() => this.#liveRows().where({ sid }).update(change));
      if (row) this.#remember(session, sid, expires);
    });
  }

  override destroy(sid: string, callback?: Callback<number>) {
    return report(callback, 0, () =>
      this.#queue.run(() => this.knex('sessions').where({ sid }).delete()),
    );
  }

  override all(callback?: Callback<SessionData[]>) {
    return report(callback, [], async () => {
      const rows = await this.#queue.run(() => this.#liveRows().select('sess', 'expired'));
      return rows.flatMap((row) => parse(row) ?? []);
    });
  }

  override length(callback?: Callback<number>) {
    return report(callback, 0, async () => {
      const [row] = await this.#queue.run(() => this.#liveRows().count({ alive: '*' }));
      return Number(row?.alive);
    });
  }

  override clear(callback?: Callback<number>) {
    return report(callback, 0, () => this.#queue.run(() => this.knex('sessions').delete()));
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

  #remember(session: SessionData, sid: string, expires: number) {
    this.#rows.set(session, { sid, expires, cookie: attributesOf(session) });
  }

  #liveRows() {
    return this.knex('sessions').where('expired', '>', iso(Date.now()));
  }
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

/** The cookie's attributes as text. Its date changes with every request: only whether it has one counts. */
function attributesOf({ cookie }: SessionData): string {
  return JSON.stringify([Boolean(cookie.expires), cookie], ATTRIBUTES);
}
