import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyProject } from '../copy.ts';
import { mismatch } from './match.ts';
import { Placeholders } from './placeholders.ts';
import { Terminals } from './terminal.ts';
import { testTree } from './test-tree.ts';
import type { Block, Problem, Text } from './text.ts';

const run = promisify(execFile);

/** A command of the text, and what the text says that it prints. */
interface Typed {
  command: string;
  expected: string[];
  line: number;
}

/**
 * Does what a chapter says, in a clean copy of the project: types its commands, one after the other,
 * against the real servers, and applies the changes of its exercises. What is printed must be what the
 * text shows; of what differs from run to run, see `Placeholders`.
 *
 * @param folder an empty one, for the copy.
 */
export async function checkTranscripts(
  { file }: Pick<Text, 'file'>,
  blocks: Block[],
  folder: string,
): Promise<Problem[]> {
  await copyProject(folder);
  const identity = ['-c', 'user.name=reader', '-c', 'user.email=reader@localhost'];
  await run('git', ['init', '-q'], { cwd: folder });
  await run('git', ['add', '-A'], { cwd: folder });
  await run('git', [...identity, 'commit', '-qm', 'As cloned'], { cwd: folder });

  const reader = new Reader(folder);
  const problems: Problem[] = [];
  try {
    for (const block of blocks) {
      const found = await reader.follow(block);
      problems.push(...found.map((problem) => ({ file, ...problem })));
    }
  } finally {
    await reader.close();
  }
  return problems;
}

class Reader {
  readonly #folder: string;
  readonly #terminals: Terminals;
  readonly #placeholders = new Placeholders();
  #isChanged = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#terminals = new Terminals(folder);
  }

  async follow(block: Block): Promise<{ line: number; message: string }[]> {
    if (block.language === 'console') {
      if (block.lines[0]?.startsWith('# ')) return this.#look(block);
      const problems = [];
      for (const typed of commands(block)) problems.push(...(await this.#type(typed)));
      return problems;
    }
    if (block.language === 'diff' && block.lines[0]?.startsWith('--- ')) return this.#change(block);
    return [];
  }

  close(): Promise<void> {
    return this.#terminals.close();
  }

  async #type({ command, expected, line }: Typed) {
    const printed = await this.#run(command);
    return printed ? this.#compare(expected, printed, line + 1) : [];
  }

  /** @returns what a command printed, or undefined when that is checked elsewhere. */
  async #run(command: string): Promise<string[] | undefined> {
    // What installs this project has just been done; tests/restart.test.ts measures what compare prints.
    if (command === 'npm ci' || command === 'npm run compare') return undefined;
    const server = /^((?:\w+=\S+ )*)npm run step (\S+)( -- --watch)?$/.exec(command);
    if (server) {
      const [, assignments = '', step = '', watch] = server;
      const pairs = assignments.trim().split(' ').filter(Boolean);
      const variables = Object.fromEntries(pairs.map((pair) => pair.split('=')));
      return this.#terminals.serve([step, ...(watch ? ['--watch'] : [])], variables);
    }
    // Where nothing was changed, the suite itself runs these tests: that they pass need not be shown twice.
    const test = /^npm test (\d\d)$/.exec(command);
    if (test?.[1] && !this.#isChanged) return testTree(test[1]);
    if (command.startsWith('git checkout')) this.#isChanged = false;
    return this.#terminals.type(this.#placeholders.fill(command));
  }

  /** A block that begins with `# in the first terminal`: what the server there has printed since. */
  async #look({ lines, line }: Block) {
    const expected = lines.slice(1);
    // A line may come in pieces: what it is to mean is settled only once all have come.
    const isEnough = (printed: string[]) =>
      mismatch(expected, printed, (text, found) => shape(text) === shape(found)) === undefined;
    const printed = await this.#terminals.look(isEnough);
    return this.#compare(expected, printed, line + 1);
  }

  #compare(expected: string[], printed: string[], line: number) {
    const same = (text: string, found: string) => this.#placeholders.same(text, found);
    const wrong = mismatch(expected, printed, same);
    if (!wrong) return [];
    return [
      { line: line + Math.max(wrong.index, expected.length > 0 ? 0 : -1), message: wrong.message },
    ];
  }

  /** Applies the change of an exercise to the file that it names. */
  async #change({ lines, line }: Block) {
    const path = lines[0]?.replace('--- ', '') ?? '';
    const file = join(this.#folder, path);
    let source = await readFile(file, 'utf8');
    let hunk: { line: number; before: string[]; after: string[] } | undefined;
    const hunks: (typeof hunk & object)[] = [];
    for (const [index, text] of lines.entries()) {
      if (text === '@@') {
        hunk = { line: line + index + 1, before: [], after: [] };
        hunks.push(hunk);
      } else if (hunk) {
        if (!text.startsWith('+')) hunk.before.push(text.slice(1));
        if (!text.startsWith('-')) hunk.after.push(text.slice(1));
      }
    }
    for (const { line, before, after } of hunks) {
      const old = `\n${before.join('\n')}\n`;
      const count = source.split(old).length - 1;
      if (count !== 1) {
        const message = `These lines stand ${count} times in ${path}. Expected is once:\n${before.join('\n')}`;
        return [{ line, message }];
      }
      source = source.replace(old, () => `\n${after.join('\n')}\n`);
    }
    await writeFile(file, source);
    this.#isChanged = true;
    return [];
  }
}

/** A line without its numbers. */
function shape(line: string): string {
  return line.replace(/\d+/g, '0');
}

/** The commands of a block, each with the lines below it. */
function commands({ lines, line }: Block): Typed[] {
  const typed: Typed[] = [];
  for (const [index, text] of lines.entries()) {
    if (text.startsWith('$ '))
      typed.push({ command: text.slice(2), expected: [], line: line + index });
    else typed.at(-1)?.expected.push(text);
  }
  return typed;
}
