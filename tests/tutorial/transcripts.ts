import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyProject } from '../copy.ts';
import { applyChange, readHunks } from './changes.ts';
import { type Laid, LEFT_OUT, layOver } from './match.ts';
import { Placeholders } from './placeholders.ts';
import { Terminals } from './terminal.ts';
import { testTree } from './test-tree.ts';
import type { Block, Problem, Text } from './text.ts';

const run = promisify(execFile);

type Action = Typed | Look | Change;

/** A command of the text, and what the text says that it prints. */
interface Typed {
  kind: 'typed';
  command: string;
  expected: string[];
  line: number;
}

/** What the server that was started last has printed since. */
interface Look {
  kind: 'look';
  expected: string[];
  line: number;
}

/** The change of an exercise. */
interface Change {
  kind: 'change';
  lines: string[];
  line: number;
}

const FIRST_TERMINAL = '# in the first terminal';

/** What was printed at each block of a chapter, command by command; undefined where that is checked elsewhere. */
export type Recording = (string[] | undefined)[];

/**
 * Does what a chapter says, in a clean copy of the project: types its commands, one after the other,
 * against the real servers, and applies the changes of its exercises. What is printed must be what the
 * text shows; of what differs from run to run, see `Placeholders`.
 *
 * @param folder an empty one, for the copy.
 * @param recording takes what was printed, for `replay`.
 */
export async function checkTranscripts(
  { file }: Pick<Text, 'file'>,
  blocks: Block[],
  folder: string,
  recording: Recording = [],
): Promise<Problem[]> {
  const copy = join(folder, 'keep-users-logged-in');
  await copyProject(copy);
  const identity = ['-c', 'user.name=reader', '-c', 'user.email=reader@localhost'];
  await run('git', ['init', '-q'], { cwd: copy });
  await run('git', ['add', '-A'], { cwd: copy });
  await run('git', [...identity, 'commit', '-qm', 'As cloned'], { cwd: copy });

  const reader = new Reader(copy);
  const comparison = new Comparison(file);
  try {
    for (const action of blocks.flatMap(read)) {
      if (action.kind === 'change') comparison.report(await reader.change(action));
      else {
        const printed = await reader.perform(action, comparison.placeholders);
        recording.push(printed);
        comparison.compare(action, printed);
      }
    }
    return [...blocks.flatMap((block) => misread(file, block)), ...comparison.problems];
  } finally {
    await reader.close();
  }
}

/** Compares blocks with what was printed when another version of them was followed. */
export function replay(
  { file }: Pick<Text, 'file'>,
  blocks: Block[],
  recording: Recording,
): Problem[] {
  const comparison = new Comparison(file);
  const actions = blocks.flatMap(read).filter((action) => action.kind !== 'change');
  for (const [index, action] of actions.entries()) comparison.compare(action, recording[index]);
  return [...blocks.flatMap((block) => misread(file, block)), ...comparison.problems];
}

/** Holds what is printed in a chapter to its text, from the first line to the last. */
class Comparison {
  readonly placeholders = new Placeholders();
  readonly problems: Problem[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  compare({ kind, expected, line }: Typed | Look, printed: string[] | undefined): void {
    if (!printed) return;
    const same = (text: string, found: string) => this.placeholders.same(text, found);
    // A look takes a part out of what was printed: other lines may stand before and after it.
    const laid =
      kind === 'look' ? lookFor(expected, printed, same) : layOver(expected, printed, same);
    const pairs = laid.pairs.map(({ index, text, found }) => ({
      line: line + 1 + index,
      message: this.placeholders.learn(text, found),
    }));
    this.report(pairs.flatMap(({ line, message }) => (message ? [{ line, message }] : [])));
    if (laid.mismatch) {
      this.report([{ line: line + 1 + laid.mismatch.index, message: laid.mismatch.message }]);
    }
  }

  report(problems: Omit<Problem, 'file'>[]): void {
    this.problems.push(...problems.map((problem) => ({ file: this.#file, ...problem })));
  }
}

/** Does what the text says. */
class Reader {
  readonly #folder: string;
  readonly #terminals: Terminals;
  #isChanged = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#terminals = new Terminals(folder);
  }

  close(): Promise<void> {
    return this.#terminals.close();
  }

  /** @returns what was printed, or undefined when that is checked elsewhere. */
  async perform(action: Typed | Look, placeholders: Placeholders): Promise<string[] | undefined> {
    if (action.kind === 'typed') return this.#type(placeholders.fill(action.command));
    const same = (text: string, found: string) => placeholders.same(text, found);
    return this.#terminals.look(
      (printed) => lookFor(action.expected, printed, same).mismatch === undefined,
    );
  }

  async #type(command: string): Promise<string[] | undefined> {
    // Installing once more would need the network; that it works is how these tests came to run.
    if (command === 'npm ci') {
      const lock = join(this.#folder, 'package-lock.json');
      return existsSync(lock) ? [] : ['There is no package-lock.json.'];
    }
    // tests/restart.test.ts measures what compare prints.
    if (command === 'npm run compare') return undefined;
    const [, assignments = '', script, words = ''] =
      /^((?:\w+=\S* )*)npm (?:run )?(step|start|practice)\b(.*)$/.exec(command) ?? [];
    if (script) {
      const pairs = assignments.trim().split(' ').filter(Boolean);
      const variables = Object.fromEntries(pairs.map((pair) => pair.split('=')));
      return this.#terminals.serve(script, words, variables);
    }
    // Where nothing was changed, the suite itself runs these tests: that they pass need not be shown twice.
    const test = /^npm test (\d\d)$/.exec(command);
    if (test?.[1] && !this.#isChanged) return testTree(test[1]);
    if (command.startsWith('git checkout')) this.#isChanged = false;
    return this.#terminals.type(command);
  }

  /** Applies the change of an exercise to the file that it names. */
  async change({ lines, line }: Change): Promise<Omit<Problem, 'file'>[]> {
    const path = lines[0]?.replace('--- ', '') ?? '';
    const file = join(this.#folder, path);
    const source = await readFile(file, 'utf8').catch(() => undefined);
    if (source === undefined) {
      return [{ line, message: `There is no file ${path}. Expected is one of the project.` }];
    }
    const changed = applyChange(path, source, readHunks(lines, line));
    if (typeof changed !== 'string') return [changed];
    await writeFile(file, changed);
    this.#isChanged = true;
    return [];
  }
}

/** Finds lines in what was printed, wherever in it. */
function lookFor(
  expected: string[],
  printed: string[],
  same: (text: string, found: string) => boolean,
): Laid {
  const laid = layOver([LEFT_OUT, ...expected, LEFT_OUT], ['', ...printed, ''], same);
  const pairs = laid.pairs.map((pair) => ({ ...pair, index: pair.index - 1 }));
  if (!laid.mismatch) return { pairs };
  const index = Math.max(0, Math.min(laid.mismatch.index - 1, expected.length - 1));
  return { pairs, mismatch: { ...laid.mismatch, index } };
}

/** What a reader does at a block, one thing after the other. */
function read({ language, lines, line }: Block): Action[] {
  if (language === 'diff' && lines[0]?.startsWith('--- ')) return [{ kind: 'change', lines, line }];
  if (language !== 'console') return [];
  if (lines[0] === FIRST_TERMINAL) return [{ kind: 'look', expected: lines.slice(1), line }];
  const typed: Typed[] = [];
  for (const [index, text] of lines.entries()) {
    if (text.startsWith('$ ')) {
      typed.push({ kind: 'typed', command: text.slice(2), expected: [], line: line + index });
    } else if (!text.startsWith('# ')) typed.at(-1)?.expected.push(text);
  }
  return typed;
}

/** What nobody would do or look at, because it is not written as it should be. */
function misread(file: string, { language, lines, line }: Block): Problem[] {
  if (language !== 'console' || lines[0] === FIRST_TERMINAL) return [];
  const first = lines.findIndex((text) => !text.startsWith('# '));
  if (first !== -1 && lines[first]?.startsWith('$ ')) return [];
  const message = `Expected is a command, "$ …", or as the first line: ${FIRST_TERMINAL}`;
  return [{ file, line, message }];
}
