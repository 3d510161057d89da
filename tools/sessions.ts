import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { fileOf } from '#database/open.ts';
import { withoutPassword } from '#steps/10-many-servers/database.ts';
import { hasData, ownFolder } from '#steps/10-many-servers/postgres.ts';
import { defaultDatabaseUrl } from '#steps/shared/settings.ts';
import { readStep } from '#steps/shared/step.ts';
import { findUserData } from '#steps/shared/user-data.ts';
import { command, UsageError } from './command.ts';
import { connectTo } from './databases.ts';
import { usePostgres } from './postgres-of-step.ts';
import { findStep, root, stepFolder } from './steps.ts';

const usage = 'Give one step: npm run sessions 3.';

interface Row {
  sid: string;
  sess: string;
  /** PostgreSQL gives a date; SQLite gives text. */
  expired: string | Date;
}

await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length > 1) throw new UsageError(usage);
  const step = findStep(positionals[0]);
  const { store } = readStep(stepFolder(step));
  if (store === 'memory') {
    throw new UsageError(
      `${step} keeps its sessions in memory, where only its own process can read them: its page shows ` +
        'yours while it runs. From step 3 on, sessions are rows in a database.',
    );
  }
  const again = `Start it with npm run step ${positionals[0]}, log in, and run this command again.`;
  const none = new UsageError(
    `${step} has no database yet. ${again} (The lab uses databases of its own: open a row there.)`,
  );
  if (store === 'postgresql') {
    const given = process.env.DATABASE_URL;
    if (!given && !hasData(ownFolder)) throw none;
    const name = given ? withoutPassword(given) : relative(root, ownFolder);
    await usePostgres((url) => show(url, name, again));
  } else {
    const url = process.env.DATABASE_URL || defaultDatabaseUrl(step);
    if (!existsSync(fileOf(url))) throw none;
    await show(url, relative(root, fileOf(url)), again);
  }
}, usage);

/** @param name to print for the database. @param again what to do when there are no sessions. */
async function show(url: string, name: string, again: string): Promise<void> {
  const knex = await connectTo(url);
  try {
    if (!(await knex.schema.hasTable('sessions'))) {
      throw new UsageError(
        `${name} has no table called sessions. If you pressed Break, press Restore. Otherwise check that server.ts ` +
          'passes knex, and that the store uses it.',
      );
    }
    const text = knex.raw('cast(sess as text) as sess');
    const rows: Row[] = await knex('sessions').select('sid', 'expired', text).orderBy('expired');
    console.log(`${rows.length} ${rows.length === 1 ? 'session' : 'sessions'} in ${name}`);
    for (const row of rows) print(row);
    if (rows.length === 0) console.log(`\n${again}`);
  } finally {
    await knex.destroy();
  }
}

function print({ sid, sess, expired }: Row): void {
  const date = expired instanceof Date ? expired.toISOString() : expired;
  const over = Date.parse(date) < Date.now() ? ' (expired; will be deleted)' : '';
  console.log(`\nsid      ${sid}\nexpired  ${date}${over}\nsess`);
  console.log(format(sess).replace(/^/gm, '  '));
}

/** Pretty-prints a payload, with an arrow at every line that should not be in it. */
function format(sess: string): string {
  let payload: unknown;
  try {
    payload = JSON.parse(sess);
  } catch {
    return `${sess}  <-- this is not JSON`;
  }
  const found = findUserData(payload).filter(({ what }) => what !== 'user id');
  const lines = JSON.stringify(payload, null, 2).split('\n');
  const marked = lines.map((line) => {
    const culprit = found.find(({ path }) => line.trimStart().startsWith(`"${path.at(-1)}":`));
    return culprit ? `${line}  <-- the ${culprit.what} does not belong here` : line;
  });
  return marked.join('\n');
}
