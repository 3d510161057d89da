import { createHash, randomUUID } from 'node:crypto';
import type { Knex } from 'knex';

const HOUR = 60 * 60 * 1000; // in milliseconds

// The sessions table gets hashes instead of session ids, and says when each user was last seen. The migration itself
// logs nobody out.
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => {
    table.timestamp('seen').notNullable().defaultTo('1970-01-01T00:00:00.000Z');
  });
  await knex.schema.createTable('devices', (table) => {
    table.uuid('id').primary();
    table.string('sid').notNullable().unique().references('sessions.sid').onDelete('CASCADE');
    const userId = table.integer('user_id').notNullable().index();
    userId.references('users.id').onDelete('CASCADE');
    table.string('user_agent', 200).notNullable();
    table.timestamp('created_at').notNullable();
  });
  await knex.schema.createTable('attempts', (table) => {
    table.string('key').primary();
    table.integer('hits').notNullable();
    table.timestamp('ends').notNullable().index();
  });
  // Sessions of earlier versions: they stay, and end in twelve hours at the latest.
  const now = Date.now();
  for (const { sid, sess } of await knex('sessions').select('sid', 'sess')) {
    const hash = createHash('sha256').update(sid).digest('base64url');
    const session = JSON.stringify({ ...parse(sess), endsAt: now + 12 * HOUR });
    await knex('sessions').where({ sid }).update({ sid: hash, sess: session });
    const user = await knex('users')
      .where({ id: parse(sess).userId ?? 0 })
      .first();
    const device = { id: randomUUID(), sid: hash, user_agent: 'unknown' };
    const created_at = new Date(now).toISOString();
    if (user) await knex('devices').insert({ ...device, user_id: user.id, created_at });
  }
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('attempts');
  await knex.schema.dropTable('devices');
  await knex('sessions').delete(); // nobody can turn a hash back into a session id
  await knex.schema.alterTable('sessions', (table) => table.dropColumn('seen'));
}

/** PostgreSQL gives JSON parsed, SQLite as text. A row that is not JSON holds no session. */
function parse(sess: unknown): { userId?: number } {
  try {
    return JSON.parse(typeof sess === 'string' ? sess : JSON.stringify(sess));
  } catch {
    return {};
  }
}
