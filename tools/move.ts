import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Knex } from 'knex';
import { fileOf, readDatabase, withoutPassword } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { openDatabase } from '#steps/09-many-servers/database.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { defaultDatabaseUrl } from '#steps/shared/settings.ts';
import { readStep } from '#steps/shared/step.ts';
import { command, UsageError } from './command.ts';
import { continueIds, copy, tables } from './move/tables.ts';
import { manyServers, usePostgres } from './postgres-of-step.ts';
import { findStep, root, stepFolder } from './steps.ts';

// npm run move 8: copies users, live sessions and devices from the SQLite file of a step into the PostgreSQL of step 9,
// so nobody is logged out. npm run move file:PATH: the same from any file that step 8 has opened.
await command(async () => {
  const [from, ...more] = process.argv.slice(2);
  if (from === undefined || more.length > 0) {
    throw new UsageError(
      'Give one step or file to move from: npm run move 8, or npm run move file:PATH.',
    );
  }
  const source = await openSource(from.startsWith('file:') ? from : databaseOf(findStep(from)));
  try {
    await usePostgres(manyServers, async (url) => {
      const target = await openDatabase(url);
      try {
        const begun = performance.now();
        const done = await move(source.knex, source.file, target);
        const seconds = ((performance.now() - begun) / 1000).toFixed(1);
        console.log(`${done} (${source.name} → ${withoutPassword(url)}, ${seconds} s)`);
      } finally {
        await target.destroy();
      }
    });
  } finally {
    await source.knex.destroy();
  }
});

function databaseOf(step: string): string {
  if (readStep(stepFolder(step)).store === 'sqlite') return defaultDatabaseUrl(step);
  throw new UsageError(
    `${step} has no sessions in an SQLite file. Move from step 8: npm run move 8.`,
  );
}

async function openSource(url: string) {
  const file = resolve(fileOf(url));
  const name = relative(root, file).startsWith('..') ? file : relative(root, file);
  if (!existsSync(file)) throw new UsageError(`There is no ${name}, so there is nothing to move.`);
  const knex = await readDatabase(url);
  if (await knex.schema.hasTable('devices')) return { file, name, knex };
  const isOfStep = await knex('knex_migrations')
    .where('name', '001-create-users')
    .first()
    .catch(() => false);
  await knex.destroy();
  if (!isOfStep) {
    throw new UsageError(
      `${name} is not the file of a step. For an application of your own, adapt tools/move.ts.`,
    );
  }
  throw new UsageError(
    `${name} has the tables of an earlier step. Start step 8 on it once, which brings them up to date: ` +
      `DATABASE_URL=${url} npm run step 8.`,
  );
}

/** Everything is one transaction: if it is interrupted, nothing has changed, and you can repeat it. */
function move(source: Knex, file: string, target: Knex): Promise<string> {
  return source.transaction((from) =>
    target.transaction(async (to) => {
      await to.raw('set local statement_timeout = 0');
      await to.raw('lock table users in share row exclusive mode'); // nobody else registers or moves meanwhile
      const earlier = await earlierMove(to);
      if (earlier === file) return 'This file was moved before, so there was nothing to do.';
      await makeRoom(to, earlier);
      const now = new Date().toISOString();
      const users = await copy(from, to, tables.users, []);
      const sessions = await copy(from, to, tables.sessions, [now]);
      await copy(from, to, tables.devices, [now]);
      await continueIds(from, to);
      await to('moves').insert({ file });
      return `Moved ${count(users, 'user')} and ${count(sessions, 'live session')}.`;
    }),
  );
}

/**
 * Looks for an earlier move, because a second one must not bring back the sessions and accounts that have ended since.
 *
 * @returns the file that was moved into this database before.
 */
async function earlierMove(to: Knex): Promise<string | undefined> {
  await to.raw('create table if not exists moves (file text primary key)');
  return (await to('moves').first())?.file;
}

/** Deletes the demo account that a start in development made. Refuses if there are other users, or another password. */
async function makeRoom(to: Knex, earlier: string | undefined): Promise<void> {
  const { username } = demo;
  const other = await to('users').whereNot({ username }).first();
  const isTaken = await to('users').where({ username }).first();
  if (earlier || other || (isTaken && !(await new Users(to).verify(demo)))) {
    throw new UsageError(
      'Nothing was moved: the PostgreSQL has users of its own, with the same ids as users in the file. ' +
        'Move into a new database.',
    );
  }
  await to('sessions').delete(); // they belong to ids that will be other users
  await to('users').delete();
}

function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;
}
