import express, { type Router } from 'express';
import type { Knex } from 'knex';
import { connect } from '#database/open.ts';
import { ownPageOnly } from './own-page-only.ts';

// While the sessions table is broken, it has this name.
const BROKEN = 'sessions_broken';

/**
 * The Break and Restore buttons of the page: `POST /database/break` and `POST /database/restore`, both
 * answered with 204. For development only.
 *
 * @param url the address of the server's database.
 */
export function breakButtons(url: string): Router {
  return express
    .Router()
    .post('/database/break', ownPageOnly, async (_req, res) => {
      await breakDatabase(url);
      res.status(204).end();
    })
    .post('/database/restore', ownPageOnly, async (_req, res) => {
      await restoreDatabase(url);
      res.status(204).end();
    });
}

/** Renames the sessions table under a running server, so every query for a session fails. */
export async function breakDatabase(url: string): Promise<void> {
  await withTables(url, async (knex) => {
    if (await knex.schema.hasTable(BROKEN)) return;
    if (!(await knex.schema.hasTable('sessions'))) return; // sessions in memory
    await knex.schema.renameTable('sessions', BROKEN);
    // The index would keep its name, and a server that creates the table again needs that name.
    await knex.raw('drop index if exists sessions_expired_index');
  });
}

/** Renames the sessions table back, with everything in it. */
export async function restoreDatabase(url: string): Promise<void> {
  await withTables(url, async (knex) => {
    if (!(await knex.schema.hasTable(BROKEN))) return;
    await knex.schema.dropTableIfExists('sessions'); // made by a server that started meanwhile
    await knex.schema.renameTable(BROKEN, 'sessions');
    await knex.raw('create index sessions_expired_index on sessions (expired)');
  });
}

async function withTables(url: string, work: (knex: Knex) => Promise<void>): Promise<void> {
  const knex = await connect(url, (knex) => knex.schema.hasTable('users'));
  try {
    await work(knex);
  } finally {
    await knex.destroy();
  }
}
