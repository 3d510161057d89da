import { setTimeout as pause } from 'node:timers/promises';
import type { Knex } from 'knex';
import { reason } from '#database/open.ts';
import { iso } from './payload.ts';

const BATCH = 100; // the expired rows that one statement deletes: it holds the write lock so long
const PAUSE = 10; // in milliseconds; then others write: SQLite has no queue, they only look now and then

/** Deletes expired rows, at once and then every so often, until it is stopped. */
export class Pruning {
  readonly #rows: () => Knex.QueryBuilder;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #stopped = false;

  /**
   * @param rows begins a query for the table.
   * @param interval in milliseconds.
   */
  constructor(rows: () => Knex.QueryBuilder, interval: number) {
    this.#rows = rows;
    this.#timer = setInterval(() => this.run(), interval).unref();
    void this.run(); // a server that is deployed often must not wait an hour for its first time
  }

  /** Once now, or until the end of the one that goes on. It never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#delete().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Waits for what is going on. The database can be closed after it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  /** The index on `expired` leads to what is due: a million live rows cost it nothing. */
  async #delete(): Promise<void> {
    try {
      for (let deleted = BATCH; deleted === BATCH && !this.#stopped; ) {
        const expired = this.#rows().where('expired', '<=', iso(Date.now())).limit(BATCH);
        deleted = await this.#rows().whereIn('sid', expired.select('sid')).delete();
        if (deleted === BATCH) await pause(PAUSE);
      }
    } catch (error) {
      console.error(`Expired sessions could not be deleted: ${reason(error)}`); // the next time, then
    }
  }
}
