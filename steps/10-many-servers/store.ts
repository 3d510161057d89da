import type { SessionData } from 'express-session';
import type { Knex } from 'knex';
import { expectDialect } from '#steps/05-failing-database/dialect.ts';
import { Queue } from '#steps/06-logout-wins/queue.ts';
import * as step07 from '#steps/07-cheap-reads/pruning.ts';
import type { Row, Times } from '#steps/07-cheap-reads/store.ts';
import * as step08 from '#steps/08-revoke-sessions/store.ts';

const FOREVER = Date.parse('9999-12-31');

/** The store of step 08 in PostgreSQL, which several servers share. Only PostgreSQL's clock decides what is over. */
export class SessionStore extends step08.SessionStore {
  readonly #queues = new Queues();

  protected override expectDatabase(knex: Knex): void {
    expectDialect(knex, 'postgresql');
  }

  protected override startPruning(interval: number): Pruning {
    return new Pruning(this.knex, interval);
  }

  protected override async inOrder<T>(work: () => Promise<T>, sid?: string): Promise<T> {
    if (sid !== undefined) return this.#queues.run(sid, work);
    await this.#queues.settled();
    return work();
  }

  /** The absolute timeout is a column, too. It is written when `endsAt` changes, and at no other time. */
  protected override timesOf(session: SessionData): Times {
    return { ...super.timesOf(session), ends: Math.min(session.endsAt ?? FOREVER, FOREVER) };
  }

  /** Some time from now by PostgreSQL's clock, because the servers that share it may disagree about the time. */
  override at(time: number): Knex.Raw {
    return this.knex.raw("now() + ? * interval '1 millisecond'", [time - Date.now()]);
  }

  protected override async read(rows: Knex.QueryBuilder): Promise<Row[]> {
    const timeLeft = ['expired', 'seen', 'ends'].map(
      (column) => `(date_part('epoch', ${column}) - date_part('epoch', now())) * 1000 as ${column}`,
    );
    type Columns = { sid: string; sess: string; expired: number; seen: number; ends: number };
    const found: Columns[] = await rows.select(this.knex.raw(`sid, sess::text, ${timeLeft}`));
    const now = Date.now();
    return found.map(({ sid, sess, expired, seen, ends }) => ({
      sid,
      sess,
      times: { expired: now + expired, seen: now + seen, ends: Math.min(now + ends, FOREVER) },
    }));
  }

  protected override sessionIn(row: Row): SessionData | null {
    const session = super.sessionIn(row);
    if (session?.endsAt) session.endsAt = row.times.ends ?? FOREVER;
    return session;
  }

  protected override liveRows(): Knex.QueryBuilder {
    return this.knex('sessions').whereRaw('expired > now() and ends > now()');
  }
}

/** Runs the work on each session in order, and the work on different sessions concurrently. */
class Queues {
  readonly #queues = new Map<string, { queue: Queue; last: Promise<unknown> }>();

  /** @returns what the work returns. */
  run<T>(sid: string, work: () => Promise<T>): Promise<T> {
    const { queue } = this.#queues.get(sid) ?? { queue: new Queue() };
    const done = queue.run(work);
    const last = done
      .catch(() => {}) // the caller gets this error from `done`
      .then(() => {
        if (this.#queues.get(sid)?.last === last) this.#queues.delete(sid);
      });
    this.#queues.set(sid, { queue, last });
    return done;
  }

  /** Waits for all work queued so far. */
  async settled(): Promise<void> {
    await Promise.all([...this.#queues.values()].map(({ last }) => last));
  }
}

/** Deletes expired rows. Several servers can prune at once, because each skips rows that another has locked. */
class Pruning extends step07.Pruning {
  protected override async deleteBatch(limit: number): Promise<number> {
    const { rowCount } = await this.knex.raw(
      `delete from sessions where sid in (
         select sid from sessions where expired <= now() limit ? for update skip locked)`,
      [limit],
    );
    return rowCount;
  }
}
