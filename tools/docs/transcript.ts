import { join } from 'node:path';
import { commitCopy, copyProject } from '../copy.ts';
import { makeTemporaryFolder } from '../temporary.ts';
import { type Block, Problem } from './markdown.ts';
import { joinUnits, matchesOf, unitAt } from './select.ts';
import { Terminals } from './terminal.ts';
import { mask, Values } from './values.ts';

const FIRST_TERMINAL = '# in the first terminal';
const isInput = (line: string) => /^[$#] /.test(line);

/** Types the commands of one chapter, in a clean copy of the project. */
export class Reader {
  readonly #values = new Values();
  readonly #terminals: Terminals;
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    this.#terminals = new Terminals(folder);
  }

  /** Lets a reader work in a clean copy of the project, or in an empty folder if that is enough. */
  static async during(needsCopy: boolean, work: (reader: Reader) => Promise<void>): Promise<void> {
    const { path, remove } = await makeTemporaryFolder();
    const reader = new Reader(join(path, 'keep-users-logged-in'));
    try {
      if (needsCopy) await copyProject(reader.folder);
      if (needsCopy) await commitCopy(reader.folder);
      await work(reader);
    } finally {
      await reader.#terminals.close();
      await remove();
    }
  }

  /** Types the commands of a console block. @returns its lines, with what was printed. */
  async follow({ asks, lines, line }: Block): Promise<string[]> {
    const anchors = asks?.rest.split(' | ') ?? [];
    const missed = new Set(anchors);
    const choose = (printed: string[]) => select(printed, anchors, missed);
    if (lines[0] !== FIRST_TERMINAL && !lines[0]?.startsWith('$ ')) {
      throw new Error(`Begin this block with "$ …" or with "${FIRST_TERMINAL}".`);
    }
    const shown: string[] = [];
    for (const [index, input] of lines.entries()) {
      if (!isInput(input)) continue;
      const next = lines.findIndex((line, at) => at > index && isInput(line));
      const text = lines.slice(index + 1, next === -1 ? undefined : next);
      const wanted = text.map(mask).join('\n');
      const isWanted = (printed: string[]) => choose(printed).map(mask).join('\n') === wanted;
      try {
        const printed = await this.#type(input, isWanted);
        shown.push(input, ...this.#values.rewrite(text, choose(printed)));
      } catch (error) {
        throw new Problem(line + index + 1, error instanceof Error ? error.message : '');
      }
    }
    if (missed.size === 0) return shown;
    throw new Error(`No printed line begins with "${[...missed].join('" or "')}".`);
  }

  async #type(input: string, isWanted: (printed: string[]) => boolean): Promise<string[]> {
    if (input === FIRST_TERMINAL) return this.#terminals.look(isWanted);
    if (input.startsWith('#')) return [];
    return this.#terminals.type(this.#values.fill(input.slice(2)));
  }
}

/** The units that begin with an anchor, or only the line for "anchor …"; everything if none does. */
function select(printed: string[], anchors: string[], missed: Set<string>): string[] {
  const units = anchors.flatMap((anchor) => {
    const found = matchesOf(printed, anchor.replace(/ …$/, ''));
    if (found.length > 0) missed.delete(anchor);
    const isAlone = anchor.endsWith(' …');
    return found.map((at) => (isAlone ? { start: at, end: at + 1 } : unitAt(printed, at)));
  });
  units.sort((one, other) => one.start - other.start);
  return units.length > 0 ? joinUnits(printed, units, () => '…') : printed;
}
