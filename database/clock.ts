import type { Knex } from 'knex';

/**
 * Now, or some time from now, as a value in a query. PostgreSQL uses its own clock, because the servers that share it
 * may disagree about the time. SQLite uses this machine's.
 *
 * @param duration in milliseconds.
 */
export function fromNow(knex: Knex, duration = 0): Knex.Raw {
  if (isPostgres(knex)) return knex.raw("now() + ? * interval '1 millisecond'", [duration]);
  // Text of fixed width, which SQLite sorts correctly: earlier is less.
  return knex.raw('?', [new Date(Date.now() + duration).toISOString()]);
}

/** @returns whether a database is PostgreSQL; otherwise it is SQLite. */
export function isPostgres(knex: Knex): boolean {
  return knex.client.config.client === 'pg';
}
