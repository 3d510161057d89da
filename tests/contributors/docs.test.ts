import { expect, test } from 'vitest';
import { parseText } from '#tools/docs/markdown.ts';
import { list, renew, showChanges } from '#tools/docs/renew.ts';
import { sortTestFiles } from '#tools/docs/select.ts';
import { Values } from '#tools/docs/values.ts';

const step = 'steps/03-knex-sqlite';

test.each([
  ['an excerpt', `<!-- excerpt ${step}/app.ts: // Tells | app.use(dev -->`, /User;[^…]*\/\/ …\n/],
  ['a diff', '<!-- diff 2 3: server.ts -->', /^…\n--- steps\/02-pruned-memory\/server\.ts$/m],
  ['a change', `<!-- change ${step}/app.ts\n- tableN\n+    old,\n-->`, /: 's.*\n\+ {4}old,$/m],
  ['the table of steps', '<!-- steps -->', /^\| \[03-knex-sqlite\]/m],
  ['a transcript', '<!-- only: b -->\n```console\n$ printf "a\\nb\\n c\\nd"\n```', /\n…\nb\n c\n…/],
])('writes %s, and restores each line of it that was altered', async (_what, asks, part) => {
  const page = await renewed(`Before.\n\n${asks}\n\nAfter.`);
  const lines = page.split('\n');
  expect(page).toMatch(part);
  const isWritten = (line: string) => !/^(Before\.|After\.|```.*|)$/.test(line);
  const authored = asks.split('\n');
  const altered = lines.map((line) =>
    isWritten(line) && !authored.includes(line) ? `${line}~` : line,
  );
  expect(altered).not.toEqual(lines);
  expect(await renewed(altered.join('\n'))).toBe(page);
});

test('shows the files of a test run by name, in whatever order they end', () => {
  const [one, two] = [
    [' ✓ |reader| steps/a (1 test)', '   ✓ a'],
    [' ✓ |reader| tests/b (1 test)', '   ✓ b'],
  ];
  const text = (...files: string[][]) => ['> vitest', ...files.flat(), '', ' Tests  2 passed'];
  expect(sortTestFiles(text(two, one))).toEqual(text(one, two));
});

test('keeps the values that the text has, one for each value of the run', () => {
  const values = new Values();
  expect(values.rewrite(['process 10 ~'], ['process 77'])).toEqual(['process 10']);
  expect(values.fill('kill -9 10')).toBe('kill -9 77');
  expect(() => values.fill('kill -9 99')).toThrow('No output above shows 99.');
  const text = ['process 10', 'process 12'];
  const printed = ['process 78', 'process 77'];
  expect(values.rewrite(text, printed)).toEqual(['process 78', 'process 10']);
});

test('treats a session id and its beginning as one value, and times a moment apart as well', () => {
  const values = new Values();
  const [text, run] = ['9SX7-7mZmPo_x1qd_uo6c6K1W_lc3wWc', 'I_X6Bf800oHaAFKGZ0PHjZfF_BpcUWEG'];
  expect(values.rewrite(['"9SX7-7mZ…"'], ['"I_X6Bf80…"'])).toEqual(['"9SX7-7mZ…"']);
  expect(values.rewrite([`${text}|1`], [`${run}|1`, run])).toEqual([`${text}|1`, text]);
  const [old, one, two, late] = ['58.217', '41.001', '41.002', '49.001'].map(
    (seconds) => `2026-11-24T17:00:${seconds}Z`,
  );
  const times = values.rewrite(
    [`a ${old}`, `b ${old}`, `c ${old}`],
    [`a ${one}`, `b ${two}`, `c ${late}`],
  );
  expect(times).toEqual([`a ${old}`, `b ${old}`, `c ${late}`]);
});

test('shows what would change, with its file', async () => {
  const page =
    '<!-- diff 1 2: app.ts -->\n```diff\nx\n```\n\n```console\n$ echo right\nwrong\n```\n';
  const { text, markdown } = await renew(parseText('page.md', page));
  const shown = showChanges(text, markdown);
  expect(shown).toMatch(/^\+\+\+ page\.md\n@@ [^@]+ @@\n ```diff\n-x\n\+\$ npm run diff 1 2\n/m);
  expect(shown).toMatch(/\n \$ echo right\n-wrong\n\+right\n ```\n/);
  expect(showChanges(text, page)).toBe('');
});

test.each([
  [1, '<!-- excerpt steps/01-in-memory/app.ts: nowhere -->', '0 places in steps/01-in-memory'],
  [1, '<!-- excerpt steps/01-in-memory/app.ts: if (error) -->', '3 places in steps/01-in-memory'],
  [1, '<!-- excerpt steps/none.ts: a -->', 'There is no file steps/none.ts'],
  [1, '<!-- only: b -->\n```console\n$ echo a\n```', 'No printed line begins with "b"'],
  [3, '```console\n$ echo a\n$ kill -9 99\n```', 'No output above shows 99'],
  [1, '```ts\nconst a = 1;\n```', 'Say what this block quotes'],
  [1, '```sh\nls\n\nAfter.\n\n```sh\nls\n```', 'Close this block'],
  [1, '<!-- excerpt a: b\n\nAfter.', 'End this comment'],
])('reports in line %i what it cannot write: $2', async (line, page, message) => {
  expect(list(await renew(parseText('page.md', page)))).toContain(`page.md:${line}: ${message}`);
});

async function renewed(page: string): Promise<string> {
  const result = await renew(parseText('page.md', page));
  expect(list(result)).toBe('');
  return result.markdown;
}
