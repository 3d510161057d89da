import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root, stepFolder, steps } from '#tools/steps.ts';
import { sessionIds } from './placeholders.ts';
import type { Block, Piece, Problem, Text } from './text.ts';

/** What npm does without a script of that name. */
const builtIn = ['ci', 'install'];

/** Looks up what a text names: files, npm scripts, steps, environment variables, tests, ids, and its links. */
export async function checkNames(text: Text, others: Text[]): Promise<Problem[]> {
  const { scripts } = await manifest();
  const variables = await environmentVariables();
  const sources = await readSources();
  const said = [...text.code, ...text.blocks.flatMap(typed)];
  const known = (names: string[]) => `Expected is one of ${names.join(', ')}.`;
  const npm = [...builtIn, ...Object.keys(scripts)];
  return [
    ...unknown(
      text,
      text.code.filter(isPath),
      'There is no such file. Expected is one of the project.',
      ({ value }) => existsSync(join(root, value.replace(/^#/, ''))),
    ),
    ...unknown(
      text,
      text.code.filter(isFileName),
      'There is no file of this name. Expected is one of the project.',
      ({ value }) => sources.some(({ path }) => path.endsWith(`/${value}`) || path === value),
    ),
    ...unknown(
      text,
      said.flatMap(npmCommands),
      `There is no such npm script. ${known(npm)}`,
      ({ value }) => npm.includes(value),
    ),
    ...unknown(
      text,
      said.flatMap(stepNumbers),
      `There is no such step. ${known(steps)}`,
      ({ value }) => steps.some((step) => Number(step.slice(0, 2)) === Number(value)),
    ),
    ...unknown(
      text,
      said.flatMap(variableNames),
      `No code reads this variable. ${known([...variables])}`,
      ({ value }) => variables.has(value),
    ),
    ...unknown(
      text,
      text.code.filter(isSentence),
      'No test and no code says this. Expected are words that one prints.',
      ({ value }) => sources.some(({ content }) => content.includes(value)),
    ),
    ...unknown(
      text,
      text.chapters.flatMap(idsInDiagrams),
      'Expected is the beginning of a session id that this chapter shows.',
      () => false,
    ),
    ...unknown(
      text,
      text.links,
      'This link leads nowhere. Expected is a file or a heading that exists.',
      ({ value }) => leadsSomewhere(value, text, others),
    ),
  ];
}

/** Looks whether the texts name every npm script, every setting of a server, and every file of every step. */
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
  for (const name of await settings()) {
    if (!said.some((words) => words.includes(name))) missing.push(name);
  }
  for (const step of steps) {
    for (const name of await readdir(stepFolder(step))) {
      // The whole name: create-store.ts does not name store.ts.
      const isNamed = said.some((words) => words.split(/[\s/]/).includes(name));
      if (!isNamed) missing.push(`steps/${step}/${name}`);
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

/** The lines of a block that a reader types. */
function typed({ language, lines, line }: Block): Piece[] {
  const pieces = lines.map((value, index) => ({ value, line: line + index }));
  if (language === 'sh') return pieces;
  return pieces
    .filter(({ value }) => value.startsWith('$ '))
    .map(({ value, line }) => ({ value: value.slice(2), line }));
}

/** A path of the project, and not of what a reader's own servers or practice leave. */
function isPath({ value }: Piece): boolean {
  const isOurs = /^#?(steps|database|tests|tools|lab)\/[\w./-]*$/.test(value);
  return isOurs && !/^steps\/practice|\.sqlite3$/.test(value);
}

/** `app.ts`, in whatever folder. */
function isFileName({ value }: Piece): boolean {
  return /^[\w-]+(\.[\w-]+)*\.(ts|js|cjs|json|md|html|css)$/.test(value);
}

/** The names in `npm run step 3`, `npm start` or `npm test 03`. */
function npmCommands({ value, line }: Piece): Piece[] {
  return [...value.matchAll(/\bnpm (?:run (?:-s )?)?([a-z][\w:-]*)/g)].map(([, name = '']) => ({
    value: name,
    line,
  }));
}

/** The steps in `npm run diff 2 3`, `npm run step 3` or `npm test 03`. */
function stepNumbers({ value, line }: Piece): Piece[] {
  const words =
    /\bnpm (?:test|run (?:step|diff|sessions|practice))((?: [\w-]+)*)/.exec(value)?.[1] ?? '';
  return (words.match(/(?<= )\d+\b/g) ?? []).map((number) => ({ value: number, line }));
}

/** The names in `PORT` or `SESSION_SECRET=one npm run step 3`. */
function variableNames({ value, line }: Piece): Piece[] {
  const assigned = [...value.matchAll(/(?<=^| )([A-Z][A-Z_]+)(?==)/g)].map(([name]) => name);
  const [alone] = /^([A-Z]+(?:_[A-Z]+)+|PORT|HOST|CHROMIUM)$/.exec(value) ?? [];
  return [...assigned, ...(alone ? [alone] : [])].map((name) => ({ value: name, line }));
}

/** Four words or more that are no code and no command: the name of a test, or a message. */
function isSentence({ value }: Piece): boolean {
  const isCommand = /^(npm|curl|git|sqlite3|node|kill|sleep|rm|touch) /.test(value);
  return !isCommand && /^[A-Za-z][\w',-]*(?: [\w',:.-]+){3,}$/.test(value);
}

/** What stands in diagrams as the beginning of a session id, and is the beginning of none. */
function idsInDiagrams({ blocks }: { blocks: Block[] }): Piece[] {
  const consoles = blocks.filter(({ language }) => language === 'console');
  const ids = sessionIds(consoles.flatMap(({ lines }) => lines).join('\n'));
  return blocks
    .filter(({ language }) => language === 'mermaid')
    .flatMap(({ lines, line }) =>
      lines.flatMap((text, index) =>
        (text.match(/(?<![\w-])[\w-]{4,}(?=…)/g) ?? [])
          .filter((start) => !ids.some((id) => id.startsWith(start)))
          .map((start) => ({ value: `${start}…`, line: line + index })),
      ),
    );
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

/** The variables that a server reads, and those that tools take from the environment. */
async function environmentVariables(): Promise<Set<string>> {
  const chromium = await readFile(join(root, 'tools/chromium.ts'), 'utf8');
  const taken = /\{(.*)\} = process\.env/.exec(chromium)?.[1]?.match(/[A-Z_]+/g) ?? [];
  return new Set([...(await settings()), ...taken.filter((name) => name !== 'PATH')]);
}

/** What a server can be told from outside. */
async function settings(): Promise<string[]> {
  const source = await readFile(join(root, 'steps/shared/settings.ts'), 'utf8');
  return source.match(/(?<=^ {2})[A-Z_]+(?=: z\.)/gm) ?? [];
}

/** The code of the project, and its other files that are text. */
async function readSources(): Promise<{ path: string; content: string }[]> {
  const folders = ['steps', 'database', 'tests', 'tools', 'lab'];
  const listed = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(root, folder), { recursive: true })).map((name) => join(folder, name)),
    ),
  );
  const paths = [...listed.flat(), 'package.json', 'README.md', 'TUTORIAL.md'].filter(
    (path) => /\.(ts|js|cjs|json|md|html|css)$/.test(path) && !/^steps.practice/.test(path),
  );
  return Promise.all(
    paths.map(async (path) => ({
      path,
      content: path.endsWith('.md') ? '' : await readFile(join(root, path), 'utf8'),
    })),
  );
}
