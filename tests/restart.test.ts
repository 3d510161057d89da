import { describe, expect, test } from 'vitest';
import { steps } from '#tools/steps.ts';
import { table } from '#tools/table.ts';
import { announcement, measure, titles, toRow } from './measure.ts';
import { mismatch } from './tutorial/match.ts';
import { readText } from './tutorial/text.ts';

const tutorial = await readText('TUTORIAL.md');
const readme = await readText('README.md');

/** What the tutorial says that npm run compare prints: the rows of its table. */
const { lines: shown = [], line = 0 } =
  tutorial.blocks.find(({ lines }) => lines[0] === '$ npm run compare') ?? {};
const rows = shown.filter((line) => line.startsWith('|')).slice(2);
const promised = rows.map(cells);

// Each starts real servers one after the other, and waits for bcrypt.
describe.each(steps)('the real server of %s', { timeout: 60_000 }, (step) => {
  test('does with its logins what the tutorial says: restarted, killed, and looked into', async () => {
    const index = promised.findIndex(([name]) => name === step);
    const place = `${tutorial.file}:${line + shown.indexOf(rows[index] ?? '')}`;
    expect(toRow(await measure(step)), place).toEqual(promised[index]);
  });
});

test('the transcript in the tutorial is as npm run compare prints it', () => {
  const printed = [announcement, '', ...table([titles, ...promised]).split('\n')];
  const wrong = mismatch(shown.slice(1), printed);
  const message = wrong ? `${tutorial.file}:${line + 1 + wrong.index}: ${wrong.message}` : '';
  expect(message).toBe('');
  expect(promised.map(([step]) => step)).toEqual(steps);
});

test.each([
  ['TUTORIAL.md', tutorial],
  ['README.md', readme],
])('the table of steps in %s says the same', (_file, { tables }) => {
  const [, ...rows] = tables.find(([head]) => head?.at(-1) === 'after a restart') ?? [];
  const said = rows.map((row) => [row[0]?.replace(/^0?(\d).*/, '$1'), row.at(-1)]);
  expect(said).toEqual(
    promised.map(([step = '', restart]) => [String(Number(step.slice(0, 2))), restart]),
  );
});

function cells(line: string): string[] {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}
