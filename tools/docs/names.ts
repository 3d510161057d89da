import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectFiles } from '../copy.ts';
import { numberOf, root, stepNames } from '../steps.ts';
import { type Block, type Piece, Problem, type Text } from './markdown.ts';

// Leaves out the files that a reader's practice and servers create.
const FILE =
  /^#?(?!steps\/practice|.*\.(?:sqlite3|postgresql)$)((?:(?:steps|database|tests|tools|lab)\/[\w./-]*|[\w-]+(?:\.[\w-]+)*\.(?:ts|js|cjs|json|md|html|css)))$/g;
/** The names in `npm run step 3`, `npm start` or `npm test 03`, and the steps. */
const NPM = /\bnpm (?:run (?:-s )?)?([a-z][\w:-]*)/g;
const STEPS = /\bnpm (?:test|run (?:step|diff|sessions|practice))((?: [\w-]+)+)/g;
const SETTING = /(?<=^| )([A-Z][A-Z_]+)(?==)|^(?!SQLITE_)([A-Z]+(?:_[A-Z]+)+|PORT|HOST)$/g;
/** The beginning of a session id in a diagram. */
const ID = /(?<![\w-])([\w-]{4,}(?=…))/g;
/** Four words or more that are no code and no command: the name of a test, or a message. */
const SENTENCE =
  /^(?!(?:npm|curl|git|sqlite3|node|kill|sleep|rm|touch) )([A-Za-z][\w',-]*(?: [\w',:.-]+){3,})$/g;

/** Checks that whatever the texts name exists, and that they name every script, setting and file of a step. */
export async function checkNames(texts: Text[]): Promise<{ text: Text; problems: Problem[] }[]> {
  const paths = await projectFiles();
  const read = (path: string) => readFile(join(root, path), 'utf8');
  const isCode = (path: string) => /\.([cm]?js|ts|html)$/.test(path);
  const code = (await Promise.all(paths.filter(isCode).map(read))).join('\n');
  const scripts = Object.keys(JSON.parse(await read('package.json')).scripts);
  const sources = paths.filter((path) => /^steps\/[^/]+\/settings\.ts$/.test(path)).map(read);
  const settings: string[] =
    (await Promise.all(sources)).join('\n').match(/(?<=^ {2,4})[A-Z_]+(?=: [a-z])/gm) ?? [];

  const isStep = (name: string) => stepNames.some((step) => numberOf(step) === Number(name));
  const folders = paths.map((path) => `/${path}/`);
  const isFile = (name: string) =>
    folders.some((path) => path.includes(`/${name.replace(/\/$/, '')}/`));
  const isTarget = (link: string, from: Text) => {
    const [file = '', anchor = ''] = link.split('#');
    const target = texts.find((text) => text.file === (file || from.file));
    const isAnchor = anchor === '' || target?.anchors.includes(anchor);
    return link.startsWith('https:') || ((file === '' || isFile(file)) && isAnchor);
  };

  const checked = texts.map((text) => {
    const problems: Problem[] = [];
    const check = (kind: string, pieces: Piece[], isKnown: (name: string) => unknown) => {
      for (const { value, line } of pieces.filter(({ value }) => !isKnown(value)))
        problems.push(new Problem(line, `There is no ${kind} "${value}".`));
    };
    const typed = [...text.code, ...text.blocks.flatMap(commands)];
    check('file', find(text.code, FILE), isFile);
    check('npm script', find(typed, NPM), (name) => ['ci', 'install', ...scripts].includes(name));
    check('step', find(find(typed, STEPS), /(?<= )(\d+)\b/g), isStep);
    check('setting', find(typed, SETTING), (name) => ['DEBUG', ...settings].includes(name)); // DEBUG is express-session's
    check('test or message', find(text.code, SENTENCE), (words) => code.includes(words));
    check('target', text.links, (link) => isTarget(link, text));
    for (const block of text.blocks.filter(({ language }) => language === 'mermaid')) {
      const isBeside = ({ chapter, language }: Block) =>
        chapter === block.chapter && language === 'console';
      const shown = text.blocks.filter(isBeside).map(({ lines }) => lines.join('\n'));
      check('session id here', find(linesOf(block), ID), (id) =>
        shown.some((it) => it.includes(id)),
      );
    }
    return { text, problems };
  });

  const quoted = texts.flatMap(({ blocks }) => blocks.flatMap(linesOf));
  const said = [...texts.flatMap(({ code, links }) => [...code, ...links]), ...quoted];
  const words = new Set(said.flatMap(({ value }) => value.split(/[\s/=]/)));
  const called = new Set(find(said, NPM).map(({ value }) => value));
  const files = paths.flatMap((path) => /^steps\/\d[^/]*\/([^/]+)/.exec(path)?.[1] ?? []);
  const unnamed = [...settings, ...files].filter((name) => !words.has(name));
  for (const name of [...unnamed, ...scripts.filter((script) => !called.has(script))])
    checked[0]?.problems.push(new Problem(1, `No text names ${name}.`));
  return checked;
}

function find(pieces: Piece[], pattern: RegExp): Piece[] {
  return pieces.flatMap(({ value, line }) =>
    [...value.matchAll(pattern)].map(([, one, other]) => ({ value: one ?? other ?? '', line })),
  );
}

function commands(block: Block): Piece[] {
  return linesOf(block).filter(({ value }) => block.language === 'sh' || value.startsWith('$ '));
}

function linesOf({ lines, start }: Block): Piece[] {
  return lines.map((value, index) => ({ value, line: start + index + 2 }));
}
