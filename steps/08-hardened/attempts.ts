import type { ClientRateLimitInfo, Options, Store } from 'express-rate-limit';
import type { Knex } from 'knex';
import { fromNow } from '#database/clock.ts';
import { inTime } from '#database/in-time.ts';
import { reason } from '#database/open.ts';

/** Counts attempts in the database, so the counts survive a restart, and all servers share them. */
export class Attempts implements Store {
  readonly localKeys = false;
  readonly prefix: string;
  readonly #knex: Knex;
  #window = 0; // in milliseconds

  /** @param prefix keeps the keys of one limit apart from those of another. */
  constructor(knex: Knex, prefix: string) {
    this.#knex = knex;
    this.prefix = prefix;
  }

  init({ windowMs }: Options): void {
    this.#window = windowMs;
  }

  /** Adds one in a single statement, so attempts at the same moment are all counted. */
  async increment(key: string): Promise<ClientRateLimitInfo> {
    const knex = this.#knex;
    await inTime(knex('attempts').where('ends', '<=', fromNow(knex)).delete());
    const [row] = await inTime(
      knex('attempts')
        .insert({ key: this.prefix + key, hits: 1, ends: fromNow(knex, this.#window) })
        .onConflict('key')
        .merge({ hits: knex.raw('attempts.hits + 1') })
        .returning(['hits', 'ends']),
    );
    return { totalHits: row.hits, resetTime: new Date(row.ends) };
  }

  /** Subtracts one. The response has been sent, so an error can only be logged. */
  async decrement(key: string): Promise<void> {
    const row = this.#knex('attempts').where({ key: this.prefix + key });
    await inTime(row.where('hits', '>', 0).decrement('hits')).catch((error) =>
      console.error(`Could not uncount a login attempt: ${reason(error)}`),
    );
  }

  async resetKey(key: string): Promise<void> {
    await inTime(
      this.#knex('attempts')
        .where({ key: this.prefix + key })
        .delete(),
    );
  }
}
