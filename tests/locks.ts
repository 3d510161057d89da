import type { Knex } from 'knex';
import { onTestFinished } from 'vitest';

/** A transaction that ends with the test, if not before. */
export async function beginTransaction(knex: Knex): Promise<Knex.Transaction> {
  const transaction = await knex.transaction();
  onTestFinished(async () => {
    if (!transaction.isCompleted()) await transaction.rollback();
  });
  return transaction;
}

/** @returns how many queries in this PostgreSQL database wait for a lock */
export async function waitingQueries(knex: Knex): Promise<number> {
  const [row] = await knex('pg_stat_activity')
    .where({ wait_event_type: 'Lock' })
    .whereRaw('datname = current_database()')
    .count({ waiting: '*' });
  return Number(row?.waiting);
}
