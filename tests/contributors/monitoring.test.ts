import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase as openSqlite } from '#steps/09-refuse-strangers/database.ts';
import { openDatabase as openPostgres } from '#steps/10-many-servers/database.ts';
import { projectFiles } from '#tools/copy.ts';
import { run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { temporaryEnvironment } from '../temporary.ts';

const page = await readFile(join(root, 'docs/operating.md'), 'utf8');
const [, section = ''] = /^## Monitoring$(.*?)^## /ms.exec(page) ?? [];

const HOUR = 60 * 60 * 1000; // in milliseconds
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR).toISOString();

test.for([
  ['sqlite3', 'sqlite', openSqlite],
  ['psql', 'postgresql', openPostgres],
] as const)(
  'the page counts sessions and attempts with %s',
  async ([program, store, open], { skip }) => {
    const { code } = await run(program, ['--version']);
    skip(code !== 0, `needs ${program}, which apt-get can install`);
    const { DATABASE_URL } = await temporaryEnvironment(store);
    const knex = await open(DATABASE_URL);
    onTestFinished(() => knex.destroy());
    for (const hours of [1, 2, -1, -2, -3]) {
      await knex('sessions').insert({ sid: `${hours}`, sess: '{}', expired: inHours(hours) });
    }
    await knex('attempts').insert([
      { key: 'user 1', hits: 10, ends: inHours(1) },
      { key: 'user 2', hits: 9, ends: inHours(1) },
      { key: 'user 3', hits: 10, ends: inHours(-1) },
      { key: 'address 1', hits: 49, ends: inHours(1) },
      { key: 'address 2', hits: 50, ends: inHours(1) },
      { key: 'register 1', hits: 19, ends: inHours(1) },
      { key: 'register 2', hits: 20, ends: inHours(1) },
    ]);
    const command = section.split('\n').find((line) => line.startsWith(program)) ?? '';
    const here = command.replace('shop.sqlite3', DATABASE_URL.replace('file:', ''));
    const { stdout, stderr } = await run('bash', ['-c', here], { env: { DATABASE_URL } });
    expect(stderr).toBe('');
    const lines = stdout.trim().split('\n');
    const printed = Object.fromEntries(lines.map((line) => line.split('|')));
    expect(printed).toMatchObject({
      'live sessions': '2',
      'expired rows': '3',
      'limits reached': '3',
    });
    const age = Number(printed['seconds since the oldest expired']);
    expect(age).toBeGreaterThanOrEqual(10_799);
    expect(age).toBeLessThan(11_400);
    for (const name of Object.keys(printed)) {
      expect(section).toMatch(new RegExp(`^\\| ${name}( \\(PostgreSQL\\))? \\|`, 'm'));
    }
  },
);

test('each line that the page quotes from a log is one that the servers write', async () => {
  const files = (await projectFiles()).filter((file) => /^steps\/.*(?<!test)\.ts$/.test(file));
  const code = (await Promise.all(files.map((file) => readFile(join(root, file), 'utf8')))).join();
  const lines = [...section.matchAll(/^- `(.+?)(?: GET .*?)?(?:…)?`/gm)].map(
    ([, line = '']) => line,
  );
  expect(lines.length).toBeGreaterThan(4);
  expect(lines.filter((line) => !code.includes(line))).toEqual([]);
});
