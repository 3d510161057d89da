import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readStep } from '#steps/shared/step.ts';
import { runScript } from '../processes.ts';
import { numberOf, root, stepFolder, stepNames } from '../steps.ts';
import { table } from '../table.ts';
import type { Text } from './markdown.ts';
import { depth, isFilled, joinUnits, places, unitAt } from './select.ts';

/** `<!-- excerpt PATH: ANCHOR | ANCHOR -->` */
export async function excerpt(rest: string): Promise<string[]> {
  const [, path = '', anchors = ''] = /^(\S+): (.+)$/s.exec(rest) ?? [];
  if (!path) throw new Error('Write <!-- excerpt PATH: BEGINNING OF A LINE -->.');
  const lines = await readLines(root, path);
  let end = 0;
  const units = anchors.split(' | ').map((anchor) => {
    const unit = unitAt(lines, only(places(lines, anchor, end), path, anchor, end));
    end = unit.end;
    return unit;
  });
  // No gap before the first unit or after the last.
  const first = units[0]?.start ?? 0;
  const moved = units.map((unit) => ({ start: unit.start - first, end: unit.end - first }));
  const gap = (next = '') => `${' '.repeat(depth(next))}// …`;
  const shown = joinUnits(lines.slice(first, end), moved, gap);
  const indentation = Math.min(...shown.filter(isFilled).map(depth));
  return [`// ${path}`, ...shown.map((line) => line.slice(indentation))];
}

/** `<!-- diff 2 3 -->`, or `<!-- diff 2 3: app.ts, server.ts -->` for some of the files. */
export async function diff(rest: string): Promise<string[]> {
  const [, before = '', after = '', list = ''] = /^(\S+) ([^\s:]+)(?:: (.+))?$/.exec(rest) ?? [];
  if (!before) throw new Error('Write <!-- diff 2 3 -->, or <!-- diff 2 3: app.ts -->.');
  const { stdout, stderr, code } = await runScript('tools/diff.ts', [before, after]);
  if (code !== 0) throw new Error(stderr.trim());
  const parts = stdout.split(/^(?=--- )/m).map((part) => part.trimEnd());
  const names = list.split(', '); // [''] is in every part
  const isOf = (part: string, name: string) => /^.*\n.*/.exec(part)?.[0].includes(`/${name}`);
  const same = names.filter((name) => !parts.some((part) => isOf(part, name)));
  if (same.length > 0) throw new Error(`These steps do not differ in ${same.join(', ')}.`);
  const shown = parts.map((part) => (names.some((name) => isOf(part, name)) ? part : '…'));
  const joined = shown.filter((part, index) => part !== '…' || shown[index - 1] !== '…').join('\n');
  return [`$ npm run diff ${before} ${after}`, ...joined.split('\n').map((line) => line.trimEnd())];
}

/** Makes the change of an exercise in a copy of the project, and shows it. */
export async function change(rest: string, folder: string): Promise<string[]> {
  const [path = '', ...script] = rest.split('\n');
  const lines = await readLines(folder, path);
  const shown = [`--- ${path}`, `+++ ${path}`];
  let at = 0;
  for (const hunk of script.join('\n').split(/^@@\n/m)) {
    const wanted = hunk.trimEnd().split('\n');
    const olds = wanted.filter((line) => !line.startsWith('+'));
    const anchors = olds.map((line) => line.slice(1).trim());
    const found = places(lines, anchors[0] ?? '', at).filter((place) =>
      anchors.every((anchor, index) => lines[place + index]?.trim().startsWith(anchor)),
    );
    at = only(found, path, anchors.join(' … '), at);
    shown.push('@@');
    for (const line of wanted) {
      const isNew = line.startsWith('+');
      shown.push(isNew ? line : `${line[0]}${lines[at]}`.trimEnd());
      lines.splice(at, line.startsWith('-') ? 1 : 0, ...(isNew ? [line.slice(1)] : []));
      if (!line.startsWith('-')) at++;
    }
  }
  await writeFile(join(folder, path), lines.join('\n'));
  return shown;
}

/**
 * The table of the steps. The text with the chapters gets their lessons and changes; any other text gets their
 * outcomes. What a step changes is bold.
 */
export function stepsTable({ anchors }: Text): string[] {
  const hasChapters = anchors.some((anchor) => /^\d-/.test(anchor));
  let before: Record<string, string> = {};
  const rows = stepNames.map((step) => {
    const { lesson, outcomes } = readStep(stepFolder(step));
    const all = Object.entries(outcomes).map(([column, outcome]) => {
      const isNew = column in before && before[column] !== outcome;
      return { column, isNew, outcome: isNew ? `**${outcome}**` : outcome };
    });
    before = outcomes;
    if (!hasChapters) return [`[${step}](steps/${step})`, ...all.map(({ outcome }) => outcome)];
    const number = numberOf(step);
    const anchor = anchors.find((anchor) => anchor.startsWith(`${number}-`));
    const changes = all.filter(({ isNew }) => isNew);
    const listed = changes.map(({ column, outcome }) => `${column}: ${outcome}`).join('; ');
    return [anchor ? `[${number}](#${anchor})` : String(number), lesson, listed];
  });
  const columns = hasChapters ? ['its lesson', 'what changes'] : Object.keys(before);
  return table([['step', ...columns], ...rows]).split('\n');
}

function only(found: number[], path: string, anchor: string, after: number): number {
  const [place, ...more] = found;
  if (place !== undefined && more.length === 0) return place;
  const where = after > 0 ? `${path} after line ${after}` : path;
  throw new Error(
    `${found.length} places in ${where} begin with "${anchor}". There must be exactly one.`,
  );
}

async function readLines(folder: string, path: string): Promise<string[]> {
  const source = await readFile(join(folder, path), 'utf8').catch(() => undefined);
  if (source === undefined) throw new Error(`There is no file ${path}.`);
  return source.split('\n');
}
