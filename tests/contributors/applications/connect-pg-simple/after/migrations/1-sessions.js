import { createSessions, oneClock, revokeSessions } from '../sessions/index.js';

export async function up(knex) {
  await createSessions.up(knex);
  await knex.raw(`insert into sessions (sid, sess, expired)
    select sid, sess, expire from session where expire > now()`);
  await revokeSessions.up(knex);
  await oneClock.up(knex);
}

export async function down(knex) {
  await createSessions.down(knex);
}
