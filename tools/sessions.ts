import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { fileOf, readDatabase } from '#database/open.ts';
import { defaultDatabaseUrl } from '#steps/shared/settings.ts';
import { findUserData } from '#steps/shared/user-data.ts';
import { command, UsageError } from './command.ts';
import { findStep, practice, root } from './steps.ts';

interface Row {
  sid: string;
  sess: string;
  expired: string;
}

await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length > 1) throw new UsageError('Give one step: npm run sessions 3.');
  const step = findStep(positionals[0]);
  const url = process.env.DATABASE_URL || defaultDatabaseUrl(step);
  const name = step === practice ? practice : Number(step.slice(0, 2));
  const again = `Start it with npm run step ${name}, log in, and come back.`;
  const file = fileOf(url);
  if (!existsSync(file)) throw new UsageError(`${step} has no database yet. ${again}`);

  const knex = await readDatabase(url);
  try {
    if (!(await knex.schema.hasTable('sessions'))) {
      throw new UsageError(
        step === practice
          ? `${relative(root, file)} has no table sessions. Does server.ts pass knex, and is it the store's?`
          : `${step} keeps its sessions in memory, where only its own process can read them: ` +
              'see /inspect while it runs. They are rows from step 03 on.',
      );
    }
    const rows: Row[] = await knex('sessions').orderBy('expired');
    console.log(`${count(rows.length, 'session')} in ${relative(root, file)}`);
    for (const row of rows) print(row);
    if (rows.length === 0) console.log(`\n${again}`);
  } finally {
    await knex.destroy();
  }
});

function print({ sid, sess, expired }: Row): void {
  const over = Date.parse(expired) < Date.now() ? ' (expired; the next clean-up deletes it)' : '';
  console.log(`\nsid      ${sid}\nexpired  ${expired}${over}\nsess`);
  console.log(indent(show(sess)));
}

function show(sess: string): string {
  let payload: unknown;
  try {
    payload = JSON.parse(sess);
  } catch {
    return `${sess}  <-- this is not JSON`;
  }
  return mark(payload);
}

/** Pretty-prints a payload, with an arrow at every line that should not be in it. */
function mark(payload: unknown): string {
  const lines = JSON.stringify(payload, null, 2).split('\n');
  const found = findUserData(payload).filter(({ what }) => what !== 'user id');
  return lines
    .map((line) => {
      const culprit = found.find(({ path }) => line.trimStart().startsWith(`"${path.at(-1)}":`));
      return culprit ? `${line}  <-- the ${culprit.what} does not belong here` : line;
    })
    .join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
