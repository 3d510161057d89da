import type { Knex } from 'knex';
import { connect, withoutPassword } from '#database/open.ts';
import { openDatabase } from '#steps/09-many-servers/database.ts';
import { command, UsageError } from './command.ts';
import { manyServers, usePostgres } from './postgres-of-step.ts';

// npm run migrate: brings the tables of step 9 up to date, as its first process does before it starts the servers.
await command(async () => {
  if (process.argv.length > 2) throw new UsageError('Type npm run migrate, without anything else.');
  await usePostgres(manyServers, async (url) => {
    const before = await migrationsIn(url);
    await (await openDatabase(url)).destroy();
    const applied = (await migrationsIn(url)).filter((name) => !before.includes(name));
    const what = applied.length > 0 ? `Applied ${applied.join(', ')}.` : 'There was nothing to do.';
    console.log(`The tables in ${withoutPassword(url)} are up to date. ${what}`);
  });
});

async function migrationsIn(url: string): Promise<string[]> {
  let names: string[] = [];
  const read = async (knex: Knex) => {
    if (await knex.schema.hasTable('knex_migrations')) {
      names = await knex('knex_migrations').orderBy('name').pluck('name');
    }
  };
  await (await connect(url, read)).destroy();
  return names;
}
