import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDatabase } from '#steps/05-failing-database/database.ts';
import { openDatabase as openPostgres } from '#steps/10-many-servers/database.ts';
import { temporaryDatabase } from '#tests/temporary.ts';
import { projectFiles } from '#tools/copy.ts';
import { root } from '#tools/steps.ts';

const pages = (await projectFiles()).filter((file) => file.endsWith('.md'));
const texts = await Promise.all(pages.map((page) => readFile(join(root, page), 'utf8')));
const text = texts.join('\n');

/** The statements that readers are to type themselves; `npm run docs` types the others. One of them logs everybody out. */
const recipes = [
  ...text.matchAll(
    /^(sqlite3|psql) \S+ (?:-c )?(["'])(?!delete from sessions\2)(.*sessions.*)\2$/gm,
  ),
];

const user1 = [
  { cookie: {}, userId: 1 },
  { cookie: {}, userId: 1, text: '\0\ud83d' },
].map((session) => JSON.stringify(session));

const others = [
  ...[{ userId: 11 }, { userId: 2, text: '"userId":1,' }, { text: '\0\ud83d"userId":1}' }].map(
    (session) => JSON.stringify(session),
  ),
  ...['null', '[1]', '{}'],
];

test.each([
  ['sqlite3', [...others, 'not JSON'], user1],
  ['psql', others, [...user1, '{"userId": 1, "text": "as jsonb writes it"}']],
] as const)(
  'the statements for %s in the text log user 1 out, and nobody else',
  async (program, stay, leave) => {
    const knex = await (program === 'psql'
      ? temporaryDatabase(openPostgres, 'postgresql')
      : temporaryDatabase(openDatabase));
    for (const [sid, sess] of [...stay, ...leave].entries()) {
      await knex('sessions').insert({ sid: `${sid}`, sess, expired: '2100-01-01T00:00:00.000Z' });
    }
    const statements = recipes
      .filter(([, name]) => name === program)
      .flatMap(([, , , sql = '']) => sql.replaceAll('\\"', '"').split(';'));
    for (const sql of statements) await knex.raw(sql.replaceAll('?', '\\?'));
    const left = await knex('sessions').select(knex.raw('cast(sess as text) as sess'));
    expect(left.map(({ sess }) => sess).sort()).toEqual([...stay].sort());
  },
);
