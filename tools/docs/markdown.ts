import { marked, type Tokens } from 'marked';

/** A fenced block or a table, and the comment before it. */
export interface Block {
  /** The heading of its section, of the second level. Each section begins with a fresh copy of the project. */
  section: string;
  /** What the comment says: `excerpt`, `diff`, `change`, `only` or `steps`, and the rest of it; and its line. */
  asks?: { command: string; rest: string; line: number };
  language: string;
  /** Its content, without the fences. */
  lines: string[];
  /** The line where it begins, counted from 1. */
  line: number;
  /** Its place in the parts of the text. That part is empty if there is no block yet. */
  part: number;
}

export interface Text {
  file: string;
  /** The Markdown, in pieces. */
  parts: string[];
  blocks: Block[];
  problems: Problem[];
}

/** Something an author has to correct. */
export class Problem extends Error {
  /** Counted from 1. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Finds the blocks of a page. They and their comments begin at the beginning of a line. */
export function parseText(file: string, markdown: string): Text {
  const text: Text = { file, parts: [], blocks: [], problems: [] };
  const tokens: Tokens.Generic[] = [...marked.lexer(markdown), { type: 'end', raw: '' }];
  let section = '';
  let asks: Block['asks'];
  let line = 1;
  for (const { type, raw, depth, lang: language = '', text: content = '' } of tokens) {
    if (type === 'heading' && depth === 2) section = content;
    const isBlock = type === 'code' || (asks?.command === 'steps' && raw.startsWith('|'));
    if (isBlock || asks) {
      const part = text.parts.length - (isBlock ? 0 : 1); // a new one, before the line break after the comment
      const lines = content.split('\n');
      text.blocks.push({ section, ...(asks && { asks }), language, lines, line, part });
      if (!isBlock) text.parts.splice(part, 0, '');
    }
    const [, command = '', rest = '', end] =
      /^<!-- (excerpt|diff|change|only|steps)\b:? ?([\s\S]*?)\s*(-->|$)/.exec(raw) ?? [];
    asks = command ? { command, rest, line } : undefined;
    if (command && !end) text.problems.push(new Problem(line, 'End this comment with "-->".'));
    // A fence with a language is that of a later block: the block's own is missing.
    if (type === 'code' && raw.match(/^```/gm)?.length !== 2) {
      text.problems.push(new Problem(line, 'Close this block with ```.'));
    }
    text.parts.push(raw.trimEnd(), raw.slice(raw.trimEnd().length));
    line += raw.split('\n').length - 1;
  }
  return text;
}
