import { describe, expect, test } from 'vitest';
import { steps } from '#tools/steps.ts';
import { table } from '#tools/table.ts';
import { measure, titles, toRow } from './measure.ts';
import { readText } from './tutorial/text.ts';

const tutorial = await readText('TUTORIAL.md');
const readme = await readText('README.md');

/** What the tutorial says that npm run compare prints: the rows of its table. */
const promised = shown().slice(2).map(cells);

describe.each(steps)('the real server of %s', (step) => {
  test('does with its logins what the tutorial says: restarted, killed, and looked into', async () => {
    expect(toRow(await measure(step))).toEqual(promised.find(([name]) => name === step));
  });
});

test('the table in the tutorial is as npm run compare prints it', () => {
  expect(shown().join('\n')).toBe(table([titles, ...promised]));
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

/** The lines of the table in the transcript of npm run compare. */
function shown(): string[] {
  const block = tutorial.blocks.find(({ lines }) => lines[0] === '$ npm run compare');
  return block?.lines.filter((line) => line.startsWith('|')) ?? [];
}

function cells(line: string): string[] {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}
