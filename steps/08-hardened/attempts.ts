import type { ClientRateLimitInfo, Options, Store } from 'express-rate-limit';
import type { Knex } from 'knex';
import { fromNow } from '#database/clock.ts';
import { inTime } from '#database/in-time.ts';
import { reason } from '#database/open.ts';

/** Counts attempts in the database, so that the counts survive a restart, and all servers share them. */
export class Attempts implements Store {
  readonly localKeys = false;
  readonly prefix: string;
  readonly #knex: Knex;
  #window = 0; // in milliseconds

  /** @param prefix tells the keys of one limit from those of another. */
  constructor(knex: Knex, prefix: string) {
    this.#knex = knex;
    this.prefix = prefix;
  }

  init({ windowMs }: Options): void {
    this.#window = windowMs;
  }

  /** Counts one more, in one statement: of attempts that are made at the same moment, none is missed. */
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

  /** Takes one back. The answer has been sent, so nobody would handle an error. */
  async decrement(key: string): Promise<void> {
    const row = this.#knex('attempts').where({ key: this.prefix + key });
    await inTime(row.where('hits', '>', 0).decrement('hits')).catch((error) =>
      console.error(`An attempt to log in was not taken back: ${reason(error)}`),
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
