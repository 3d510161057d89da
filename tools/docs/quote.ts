import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readStep } from '#steps/shared/step.ts';
import { columns, outcomeOf } from '../outcomes.ts';
import { runScript } from '../processes.ts';
import { root, stepFolder, stepNames } from '../steps.ts';
import { table } from '../table.ts';
import { depth, isFilled, joinUnits, matchesOf, unitAt } from './select.ts';

/** `<!-- excerpt PATH: ANCHOR | ANCHOR -->` */
export async function excerpt(rest: string): Promise<string[]> {
  const [, path = '', anchors = ''] = /^(\S+): (.+)$/s.exec(rest) ?? [];
  if (!path) throw new Error('Write <!-- excerpt PATH: BEGINNING OF A LINE -->.');
  const lines = await readLines(root, path);
  let end = 0;
  const units = anchors.split(' | ').map((anchor) => {
    const unit = unitAt(lines, single(matchesOf(lines, anchor, end), path, anchor, end));
    end = unit.end;
    return unit;
  });
  // No gap before the first unit or after the last.
  const first = units[0]?.start ?? 0;
  const moved = units.map((unit) => ({ start: unit.start - first, end: unit.end - first }));
  const comment = /\.[jt]s$/.test(path) ? '//' : '#';
  const gap = (next = '') => `${' '.repeat(depth(next))}${comment} …`;
  const shown = joinUnits(lines.slice(first, end), moved, gap);
  const indentation = Math.min(...shown.filter(isFilled).map(depth));
  return [`${comment} ${path}`, ...shown.map((line) => line.slice(indentation))];
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
    const found = matchesOf(lines, anchors[0] ?? '', at).filter((place) =>
      anchors.every((anchor, index) => lines[place + index]?.trim().startsWith(anchor)),
    );
    at = single(found, path, anchors.join(' … '), at);
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

/** The table of the steps, with their outcomes. What a step changes is bold. */
export function stepsTable(): string[] {
  let before: Record<string, string> = {};
  const rows = stepNames.map((step) => {
    const { outcomes } = readStep(stepFolder(step));
    const cells = Object.keys(columns).map((column) => {
      const key = outcomes[column] ?? '';
      const { text } = outcomeOf(column, key);
      return column in before && before[column] !== key ? `**${text}**` : text;
    });
    before = outcomes;
    return [`[${step}](steps/${step})`, ...cells];
  });
  const titles = Object.values(columns).map(({ title }) => title);
  return table([['step', ...titles], ...rows]).split('\n');
}

function single(found: number[], path: string, anchor: string, after: number): number {
  const [match, ...others] = found;
  if (match !== undefined && others.length === 0) return match;
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
