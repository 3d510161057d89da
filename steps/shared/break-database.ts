import express, { type Router } from 'express';
import type { Knex } from 'knex';
import { ownPageOnly } from './own-page-only.ts';

// While the sessions table is broken, it has this name.
const BROKEN = 'sessions_broken';

/**
 * The Break and Restore buttons of the page: `POST /database/break` and `POST /database/restore`, both
 * answered with 204. For development only.
 *
 * @param knex the database of the server.
 */
export function breakButtons(knex: Knex): Router {
  return express
    .Router()
    .post('/database/break', ownPageOnly, async (_req, res) => {
      await breakDatabase(knex);
      res.status(204).end();
    })
    .post('/database/restore', ownPageOnly, async (_req, res) => {
      await restoreDatabase(knex);
      res.status(204).end();
    });
}

/** Renames the sessions table under a running server, so every query for a session fails. */
export async function breakDatabase(knex: Knex): Promise<void> {
  if (await knex.schema.hasTable(BROKEN)) return;
  if (!(await knex.schema.hasTable('sessions'))) return; // sessions in memory
  await knex.schema.renameTable('sessions', BROKEN);
  // The index would keep its name, and a server that creates the table again needs that name.
  await knex.raw('drop index if exists sessions_expired_index');
}

/** Renames the sessions table back, with everything in it. */
export async function restoreDatabase(knex: Knex): Promise<void> {
  if (!(await knex.schema.hasTable(BROKEN))) return;
  await knex.schema.dropTableIfExists('sessions'); // made by a server that started meanwhile
  await knex.schema.renameTable(BROKEN, 'sessions');
  await knex.raw('create index sessions_expired_index on sessions (expired)');
}
