import type { Knex } from 'knex';

// On PostgreSQL, the absolute end of a session is a column, so the database can compare it with its own clock.
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => {
    table.timestamp('ends').notNullable().defaultTo('infinity');
  });
  await knex.raw(`update sessions set ends = to_timestamp((sess ->> 'endsAt')::numeric / 1000)
    where sess ->> 'endsAt' is not null`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => table.dropColumn('ends'));
}
