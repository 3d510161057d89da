import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('users', (table) => {
    // An autoincrement id is never used twice, not even after its user is deleted. That matters from step
    // 04 on: a session refers to its user by this id, and must never refer to another user.
    table.increments('id');
    table.string('username', 32).notNullable().unique();
    table.string('password_hash', 60).notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('users');
}
