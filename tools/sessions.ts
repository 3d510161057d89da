import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { fileOf, readDatabase } from '#database/open.ts';
import { defaultDatabaseUrl } from '#steps/shared/settings.ts';
import { readStep } from '#steps/shared/step.ts';
import { findUserData } from '#steps/shared/user-data.ts';
import { command, UsageError } from './command.ts';
import { findStep, numberOf, practice, root, stepFolder } from './steps.ts';

interface Row {
  sid: string;
  sess: string;
  expired: string;
}

await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length > 1) throw new UsageError('Give one step: npm run sessions 3.');
  const step = findStep(positionals[0]);
  if (readStep(stepFolder(step)).store === 'memory') {
    throw new UsageError(
      `${step} keeps its sessions in memory, where only its own process can read them: see /inspect ` +
        'while it runs. From step 03 on they are rows in a database.',
    );
  }
  const url = process.env.DATABASE_URL || defaultDatabaseUrl(step);
  const name = step === practice ? practice : numberOf(step);
  const again = `Start it with npm run step ${name}, log in, and come back.`;
  const file = fileOf(url);
  if (!existsSync(file)) throw new UsageError(`${step} has no database yet. ${again}`);

  const knex = await readDatabase(url);
  try {
    if (!(await knex.schema.hasTable('sessions'))) {
      throw new UsageError(
        `${relative(root, file)} has no table called sessions. Does server.ts pass knex, and does the store use it?`,
      );
    }
    const rows: Row[] = await knex('sessions').orderBy('expired');
    const sessions = rows.length === 1 ? 'session' : 'sessions';
    console.log(`${rows.length} ${sessions} in ${relative(root, file)}`);
    for (const row of rows) print(row);
    if (rows.length === 0) console.log(`\n${again}`);
  } finally {
    await knex.destroy();
  }
});

function print({ sid, sess, expired }: Row): void {
  const over = Date.parse(expired) < Date.now() ? ' (expired; will be deleted)' : '';
  console.log(`\nsid      ${sid}\nexpired  ${expired}${over}\nsess`);
  console.log(show(sess).replace(/^/gm, '  '));
}

/** Pretty-prints a payload, with an arrow at every line that should not be in it. */
function show(sess: string): string {
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
