import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root, stepFolder, steps } from '#tools/steps.ts';
import type { Piece, Problem, Text } from './text.ts';

/** What npm does without a script of that name. */
const builtIn = ['ci', 'install'];

/** Looks up what a text names: files, npm scripts, environment variables and its own links. */
export async function checkNames(text: Text, others: Text[]): Promise<Problem[]> {
  const { scripts } = await manifest();
  const variables = await environmentVariables();
  const lines = text.blocks.flatMap(({ lines, line }) =>
    lines.map((value, index) => ({ value, line: line + index })),
  );
  return [
    ...unknown(text, text.code.filter(isPath), 'There is no such file.', ({ value }) =>
      existsSync(join(root, value)),
    ),
    ...unknown(
      text,
      [...text.code, ...lines].flatMap(npmCommands),
      'There is no such npm script.',
      (name) => [...builtIn, ...Object.keys(scripts)].includes(name.value),
    ),
    ...unknown(
      text,
      text.code.flatMap(variableNames),
      'No code reads this variable.',
      ({ value }) => variables.has(value),
    ),
    ...unknown(text, text.links, 'This link leads nowhere.', ({ value }) =>
      leadsSomewhere(value, text, others),
    ),
  ];
}

/** Looks whether the texts name every npm script, and every file of every step. */
export async function findUnnamed(texts: Text[]): Promise<string[]> {
  const { scripts } = await manifest();
  const said = texts.flatMap(({ code, links, blocks }) => [
    ...[...code, ...links].map(({ value }) => value),
    ...blocks.flatMap(({ lines }) => lines),
  ]);
  const commands = said.flatMap((value) => npmCommands({ value, line: 0 }));
  const missing = Object.keys(scripts)
    .filter((script) => !commands.some(({ value }) => value === script))
    .map((script) => `npm run ${script}`);
  for (const step of steps) {
    for (const name of await readdir(stepFolder(step))) {
      if (!said.some((words) => words.includes(name))) missing.push(`steps/${step}/${name}`);
    }
  }
  return missing;
}

function unknown(
  { file }: Text,
  pieces: Piece[],
  reason: string,
  isKnown: (piece: Piece) => boolean,
): Problem[] {
  return pieces
    .filter((piece) => !isKnown(piece))
    .map(({ value, line }) => ({ file, line, message: `${value}: ${reason}` }));
}

/** A path of the project, and not of what a reader's own servers or practice leave. */
function isPath({ value }: Piece): boolean {
  const isOurs = /^(steps|database|tests|tools|lab)\/[\w./-]*$/.test(value);
  return isOurs && !/^steps\/practice|\.sqlite3$/.test(value);
}

/** The names in `npm run step 3`, `npm start` or `npm test 03`. */
function npmCommands({ value, line }: Piece): Piece[] {
  return [...value.matchAll(/\bnpm (?:run (?:-s )?)?([a-z]+)/g)].map(([, name = '']) => ({
    value: name,
    line,
  }));
}

/** The name in `PORT` or `SESSION_SECRET=one`. */
function variableNames({ value, line }: Piece): Piece[] {
  const [, name] = /^([A-Z]+(?:_[A-Z]+)+|PORT|HOST|CHROMIUM)(?:=.*)?$/s.exec(value) ?? [];
  return name ? [{ value: name, line }] : [];
}

function leadsSomewhere(address: string, text: Text, others: Text[]): boolean {
  if (/^https:/.test(address)) return true;
  const [path = '', anchor] = address.split('#');
  if (path !== '' && !existsSync(join(root, path))) return false;
  if (anchor === undefined) return true;
  const target = path === '' ? text : others.find(({ file }) => file === path);
  return target?.anchors.some(({ value }) => value === anchor) ?? false;
}

async function manifest(): Promise<{ scripts: Record<string, string> }> {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
}

/** All words of capitals in the code that reads the environment. */
async function environmentVariables(): Promise<Set<string>> {
  const sources = ['steps/shared/settings.ts', 'tools/chromium.ts', 'tests/pages.test.ts'];
  const texts = await Promise.all(sources.map((file) => readFile(join(root, file), 'utf8')));
  return new Set(texts.flatMap((source) => source.match(/\b[A-Z]+(?:_[A-Z]+)*\b/g) ?? []));
}
