import { openDatabase, withoutPassword } from '#steps/10-many-servers/database.ts';
import { command, UsageError } from './command.ts';
import { connectTo } from './databases.ts';
import { usePostgres } from './postgres-of-step.ts';

// npm run migrate: brings the tables of step 10 up to date, as each of its servers does when it starts.
await command(async () => {
  if (process.argv.length > 2) throw new UsageError('Type npm run migrate, without anything else.');
  await usePostgres(async (url) => {
    const before = await migrationsIn(url);
    await (await openDatabase(url)).destroy();
    const applied = (await migrationsIn(url)).filter((name) => !before.includes(name));
    const what = applied.length > 0 ? `Applied ${applied.join(', ')}.` : 'There was nothing to do.';
    console.log(`The tables in ${withoutPassword(url)} are up to date. ${what}`);
  });
});

async function migrationsIn(url: string): Promise<string[]> {
  const knex = await connectTo(url);
  try {
    const isNew = !(await knex.schema.hasTable('knex_migrations'));
    return isNew ? [] : await knex('knex_migrations').orderBy('name').pluck('name');
  } finally {
    await knex.destroy();
  }
}
