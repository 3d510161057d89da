import { createHash, randomUUID } from 'node:crypto';
import type { Knex } from 'knex';

const HOUR = 60 * 60 * 1000; // in milliseconds
const FOREVER = Date.parse('9999-12-31');
const BATCH = 100; // rows that are in memory at a time

// The sessions table gets hashes instead of session ids, says whose each session is, and when that user was last seen.
// Sessions of earlier versions stay. Each gets an end: its own, or twelve hours from now if that is later.
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => {
    table.integer('user_id').index();
    table.timestamp('seen').notNullable().defaultTo('1970-01-01T00:00:00.000Z');
  });
  const users = new Set<unknown>(await knex('users').pluck('id'));
  const createdAt = new Date().toISOString();
  const soon = Date.now() + 12 * HOUR;
  for await (const { sid, session, expired } of readSessions(knex)) {
    const hash = createHash('sha256').update(sid).digest('base64url');
    const endsAt = Math.min(Math.max(soon, new Date(expired).getTime() || 0), FOREVER);
    const login = { id: randomUUID(), createdAt, userAgent: 'unknown' };
    const change = session && {
      sess: JSON.stringify({ ...session, endsAt, login }),
      user_id: users.has(session.userId) ? Number(session.userId) : null,
    };
    await knex('sessions')
      .where({ sid })
      .update({ sid: hash, ...change });
  }
}

export async function down(knex: Knex): Promise<void> {
  await knex('sessions').delete(); // nobody can turn a hash back into a session id
  await knex.schema.alterTable('sessions', (table) => {
    table.dropIndex('user_id');
    table.dropColumns('user_id', 'seen');
  });
}

/** A row of the sessions table. */
interface Row {
  sid: string;
  /** What it holds, or null if that is not a session. */
  session: { [key: string]: unknown } | null;
  expired: string | Date;
}

/**
 * Reads all sessions; the caller may change their ids meanwhile. It parses them here: the JSON functions of a database
 * refuse some of what `JSON.stringify` writes, and one such row would fail the whole statement.
 */
export async function* readSessions(knex: Knex): AsyncGenerator<Row> {
  const sids: string[] = await knex('sessions').pluck('sid');
  for (let start = 0; start < sids.length; start += BATCH) {
    const rows = await knex('sessions')
      .whereIn('sid', sids.slice(start, start + BATCH))
      .select('sid', 'expired', knex.raw('cast(sess as text) as text'));
    for (const { sid, expired, text } of rows) yield { sid, expired, session: parse(text) };
  }
}

function parse(text: string): Row['session'] {
  try {
    const session = JSON.parse(text);
    return typeof session === 'object' ? session : null;
  } catch {
    return null;
  }
}
