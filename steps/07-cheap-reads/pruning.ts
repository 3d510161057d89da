import { setTimeout as pause } from 'node:timers/promises';
import type { Knex } from 'knex';
import { reason } from '#database/errors.ts';

const BATCH = 100; // rows deleted per write lock
const PAUSE = 10; // milliseconds between two batches, in which others can write

/** Deletes expired rows: at once, and then at an interval until it is stopped. */
export class Pruning {
  protected readonly knex: Knex;
  readonly #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  /** @param interval in milliseconds; 0 means never, as does an interval that is too long for a timer. */
  constructor(knex: Knex, interval: number) {
    this.knex = knex;
    if (!(interval > 0 && interval < 2 ** 31)) return;
    this.#timer = setInterval(() => this.run(), interval).unref();
    void this.run(); // a server that is deployed every half hour would never reach its first interval
  }

  /** Prunes now, or joins the run in progress. It never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#prune().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Stops after the batch in progress, and waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  async #prune(): Promise<void> {
    try {
      while (!this.#stopped && (await this.deleteBatch(BATCH)) === BATCH) await pause(PAUSE);
    } catch (error) {
      console.error(`Could not delete expired sessions: ${reason(error)}`); // the next run tries again
    }
  }

  /** The index on `expired` finds these rows, so pruning costs what it deletes, however many rows are live. */
  protected deleteBatch(limit: number): Promise<number> {
    const now = new Date().toISOString();
    const expired = this.knex('sessions').where('expired', '<=', now).limit(limit).select('sid');
    return this.knex('sessions').whereIn('sid', expired).delete();
  }
}
