import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Knex } from 'knex';
import { fileOf, readDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { openDatabase, withoutPassword } from '#steps/10-many-servers/database.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { defaultDatabaseUrl } from '#steps/shared/settings.ts';
import { command, UsageError } from './command.ts';
import { usePostgres } from './postgres-of-step.ts';
import { findStep, root } from './steps.ts';

const BATCH = 1000; // rows that are in memory at a time
const FOREVER = Date.parse('9999-12-31');

// npm run move 9: copies users and live sessions from the SQLite file of a step into the PostgreSQL of step 10, so nobody
// is logged out. npm run move file:PATH: the same from any file that step 9 has opened.
await command(async () => {
  const [from, ...more] = process.argv.slice(2);
  if (from === undefined || more.length > 0) {
    throw new UsageError(
      'Give one step or file to move from: npm run move 9, or npm run move file:PATH.',
    );
  }
  const source = await openSource(
    from.startsWith('file:') ? from : defaultDatabaseUrl(findStep(from)),
  );
  try {
    await usePostgres(async (url) => {
      const target = await openDatabase(url);
      try {
        const begun = performance.now();
        const done = await move(source.knex, target);
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

async function openSource(url: string) {
  const file = resolve(fileOf(url));
  const name = relative(root, file).startsWith('..') ? file : relative(root, file);
  if (!existsSync(file)) throw new UsageError(`There is no ${name}, so there is nothing to move.`);
  const knex = await readDatabase(url);
  if (await knex.schema.hasTable('attempts')) return { name, knex };
  await knex.destroy();
  throw new UsageError(
    `${name} does not have the tables of step 9. Start step 9 on it once, which brings the file of an earlier step up ` +
      `to date: DATABASE_URL=${url} npm run step 9. For an application of your own, adapt tools/move.ts.`,
  );
}

/** Everything is one transaction: if it is interrupted, nothing has changed, and you can repeat it. */
function move(source: Knex, target: Knex): Promise<string> {
  return source.transaction((from) =>
    target.transaction(async (to) => {
      await to.raw('set local statement_timeout = 0');
      await to.raw('set local idle_in_transaction_session_timeout = 0');
      await to.raw('lock table users in share row exclusive mode'); // nobody else registers or moves meanwhile
      await makeRoom(from, to);
      const now = new Date().toISOString();
      const users = await copy(from('users'), to('users'), (user) => [user]);
      const live = from('sessions').where('expired', '>', now);
      const sessions = await copy(live, to('sessions'), withEnd);
      await continueIds(from, to);
      return `Moved ${count(users, 'user')} and ${count(sessions, 'live session')}.`;
    }),
  );
}

/**
 * Deletes the demo account that a start in development made. Refuses if there are other users, because their ids may be
 * those of users in the file, and because a second move would bring back sessions that have ended since.
 */
async function makeRoom(from: Knex, to: Knex): Promise<void> {
  const [user, ...others] = await to('users');
  // Hashes are salted: only a copy has the same one.
  const isCopy = user && (await from('users').where({ password_hash: user.password_hash }).first());
  if (user && (others.length > 0 || isCopy || !(await new Users(to).verify(demo)))) {
    throw new UsageError(
      'Nothing was moved: the PostgreSQL has users of its own. Move into a new database.',
    );
  }
  await to('sessions').delete(); // they belong to ids that will be other users
  await to('users').delete();
}

/** @returns how many rows it has written. @param convert gives the row to write, if any. */
async function copy(from: Knex.QueryBuilder, to: Knex.QueryBuilder, convert: (row: Row) => Row[]) {
  let total = 0;
  let position = 0;
  for (;;) {
    const next = from.clone().where('rowid', '>', position).orderBy('rowid').limit(BATCH);
    const rows: Row[] = await next.select('*', 'rowid as position');
    if (rows.length === 0) return total;
    position = Number(rows.at(-1)?.position);
    const converted = rows.flatMap(({ position: _, ...row }) => convert(row));
    if (converted.length > 0) await to.clone().insert(converted);
    total += converted.length;
  }
}

/** A session that PostgreSQL cannot read must not stop the others, so it is parsed here, and not in SQL. */
function withEnd(row: Row): Row[] {
  try {
    const { cookie, endsAt } = JSON.parse(String(row.sess));
    if (typeof cookie !== 'object' || cookie === null) return [];
    if (typeof endsAt !== 'number') return [row];
    return [{ ...row, ends: new Date(Math.min(Math.max(endsAt, 0), FOREVER)) }];
  } catch {
    return []; // no session
  }
}

/** SQLite never gives an id twice, not even that of a deleted user. Nor must PostgreSQL. */
async function continueIds(from: Knex, to: Knex): Promise<void> {
  const last = await from('sqlite_sequence').where({ name: 'users' }).first();
  await to.raw("select setval('users_id_seq', greatest(?, last_value)) from users_id_seq", [
    last?.seq ?? 0,
  ]);
}

function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;
}

type Row = Record<string, unknown>;
