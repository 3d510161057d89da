import type { RequestHandler } from 'express';
import { connect } from '#database/open.ts';

/**
 * Takes the table of the sessions away from a server that runs, as a migration gone wrong would. For
 * looking at what becomes of that server.
 *
 * @param url the address of its database.
 */
export async function breakDatabase(url: string): Promise<void> {
  const knex = await connect(url, (knex) => knex.schema.hasTable('users'));
  try {
    if (await knex.schema.hasTable('sessions_away')) return; // it is broken already
    if (!(await knex.schema.hasTable('sessions'))) return; // sessions in memory
    await knex.schema.renameTable('sessions', 'sessions_away');
    // Its index would keep its name, and stand in the way of a server that makes the table anew.
    await knex.raw('drop index if exists sessions_expired_index');
  } finally {
    await knex.destroy();
  }
}

/** Gives it back, with all that was in it. */
export async function mendDatabase(url: string): Promise<void> {
  const knex = await connect(url, (knex) => knex.schema.hasTable('users'));
  try {
    if (!(await knex.schema.hasTable('sessions_away'))) return;
    await knex.schema.dropTableIfExists('sessions'); // a server that was started meanwhile made one
    await knex.schema.renameTable('sessions_away', 'sessions');
    await knex.raw('create index sessions_expired_index on sessions (expired)');
  } finally {
    await knex.destroy();
  }
}

/**
 * `POST /database/break` and `POST /database/mend`, for the buttons of the page. Comes before the session
 * middleware, which needs the table. With NODE_ENV=production, or for a step without a database, it does
 * not exist. No other site can ask for it: a browser sends JSON only to the server of the page.
 */
export const fault: RequestHandler = async (req, res, next) => {
  const { databaseUrl } = req.app.locals;
  const action = { '/database/break': breakDatabase, '/database/mend': mendDatabase }[req.path];
  if (!action || !databaseUrl || req.method !== 'POST' || !req.is('json')) return next();
  await action(databaseUrl);
  res.status(204).end();
};
