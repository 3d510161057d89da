import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('users', (table) => {
    // An autoincrement id is never given out twice, not even after its user was deleted. From step 04
    // on that matters: a session names its user by this id, and must never come to mean another one.
    table.increments('id');
    table.string('username', 32).notNullable().unique();
    table.string('password_hash', 60).notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('users');
}
