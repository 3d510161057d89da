import { createHash } from 'node:crypto';
import type { SessionData } from 'express-session';
import type { Knex } from 'knex';
import { expiryOf } from '#steps/06-logout-wins/expiry.ts';
import * as step07 from '#steps/07-cheap-reads/store.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds

declare module 'express-session' {
  interface SessionData {
    userId: number;
    /** When the session ends, however active its user is: in milliseconds since 1970, by this server's clock. */
    endsAt: number;
  }
}

export interface Options extends step07.Options {
  idleTimeout?: number;
}

/** The store of step 07, whose sessions end in time, belong to a user, and cannot be opened with what is in the table. */
export class SessionStore extends step07.SessionStore {
  readonly #idleTimeout: number;

  /** @param options.idleTimeout how long a session lives without a request if its cookie has no date, in milliseconds. */
  constructor({ idleTimeout = HOUR / 2, ...options }: Options) {
    super(options);
    this.#idleTimeout = idleTimeout;
  }

  /** A query for the rows of a user's live sessions. */
  rowsOf(userId: number): Knex.QueryBuilder {
    return this.liveRows().where({ user_id: userId });
  }

  /** @returns a user's live sessions, each with its id in the table and the time of its last request, in milliseconds. */
  async sessionsOf(userId: number) {
    const rows = await this.read(this.rowsOf(userId));
    return rows.flatMap((row) => {
      const session = this.sessionIn(row);
      return session ? { storedId: row.sid, session, seen: row.times.seen ?? 0 } : [];
    });
  }

  /** Someone who has read the table, and knows the secret, could make a valid cookie from an id, but not from its hash. */
  override storedId(sid: string): string {
    return createHash('sha256').update(sid).digest('base64url');
  }

  protected override columnsOf(sid: string, session: SessionData): object {
    return { ...super.columnsOf(sid, session), user_id: session.userId ?? null };
  }

  /** A session expires when its cookie does, or after the idle timeout; and never after `endsAt`. */
  protected override timesOf(session: SessionData): step07.Times {
    const expires = expiryOf(session, this.#idleTimeout);
    // Near the absolute timeout the expiry no longer moves, but the time of the last request does.
    return { expired: Math.min(expires, session.endsAt ?? expires), seen: Date.now() };
  }

  protected override async read(rows: Knex.QueryBuilder): Promise<step07.Row[]> {
    type Columns = { sid: string; sess: string; expired: string; seen: string };
    const found: Columns[] = await rows.select('*');
    return found.map(({ sid, sess, expired, seen }) => ({
      sid,
      sess,
      times: { expired: Date.parse(expired), seen: Date.parse(seen) },
    }));
  }
}
