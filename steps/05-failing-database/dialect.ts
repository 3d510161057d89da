import type { Knex } from 'knex';

/**
 * Checks a database when its store is made, not when the first user logs in.
 *
 * @param dialects what the store can use, as Knex calls it: the same for all spellings of a client.
 * @throws {TypeError} when it is another one.
 */
export function expectDialect({ client: { dialect } }: Knex, ...dialects: string[]): void {
  if (dialects.includes(dialect)) return;
  const usable = dialects.join(' or ');
  throw new TypeError(
    `This SessionStore needs a Knex for ${usable}. It was given one for ${dialect ?? 'no database'}.`,
  );
}
