import type { Knex } from 'knex';
import { readSessions } from '#steps/08-revoke-sessions/003-revoke-sessions.ts';

const FOREVER = Date.parse('9999-12-31');

// The absolute end of a session is a column, so the database can compare it with its own clock.
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => {
    table.timestamp('ends').notNullable().defaultTo('infinity');
  });
  for await (const { sid, session } of readSessions(knex)) {
    if (typeof session?.endsAt !== 'number') continue;
    const time = Math.min(Math.max(session.endsAt, 0), FOREVER); // what a timestamp can hold
    await knex('sessions')
      .where({ sid })
      .update({ ends: new Date(time) });
  }
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => table.dropColumn('ends'));
}
