import type { Request } from 'express';
import type { SessionData } from 'express-session';
import type { Knex } from 'knex';
import { expectDialect } from '#steps/05-failing-database/dialect.ts';
import { type Callback, settle } from '#steps/05-failing-database/outcome.ts';
import * as step05 from '#steps/05-failing-database/store.ts';
import { expiryOf, iso } from './expiry.ts';
import { Queue } from './queue.ts';

/** The store of step 05, in which a logout is final: a session that was loaded is only ever updated. */
export class SessionStore extends step05.SessionStore {
  readonly knex: Knex;
  readonly #rows = new WeakMap<SessionData, string>(); // the id of the row that holds a session
  readonly #queue = new Queue();

  /** Does the work of a call after that of all earlier calls. */
  protected override settle: typeof settle = (callback, fallback, work) =>
    settle(callback, fallback, () => this.#queue.run(work));

  constructor(options: { knex: Knex; cleanupInterval?: number }) {
    expectDialect(options.knex, 'sqlite3', 'postgresql');
    super(options);
    this.knex = options.knex;
  }

  /** The middleware calls this to make `req.session` from what `get` found in a row. */
  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    this.#rows.set(session, session.id);
    return session;
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>) {
    return settle(callback, undefined, async () => {
      const expires = expiryOf(session);
      const row = { sid, sess: JSON.stringify(session), expired: iso(expires) }; // the session as it is now
      await this.#queue.run(async () => {
        // If the row of a loaded session is gone, its user has logged out meanwhile: write nothing.
        if (this.#rows.get(session) === sid) await this.#liveRows().where({ sid }).update(row);
        else await this.knex('sessions').insert(row).onConflict('sid').merge();
        this.#rows.set(session, sid);
      });
    });
  }

  #liveRows() {
    return this.knex('sessions').where('expired', '>', iso(Date.now()));
  }
}
