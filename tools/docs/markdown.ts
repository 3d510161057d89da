import GithubSlugger from 'github-slugger';
import { toString as textOf } from 'mdast-util-to-string';
import { remark } from 'remark';
import remarkGfm from 'remark-gfm';
import { visit } from 'unist-util-visit';

/** A fenced block or a table, and the comment before it. */
export interface Block {
  /** The title of its chapter. */
  chapter: string;
  /** What the comment says: `excerpt`, `diff`, `change`, `only` or `steps`, and the rest of it. */
  asks?: { what: string; rest: string };
  language: string;
  /** Its content, without the fences. */
  lines: string[];
  /** The lines of the file that it occupies, counted from 0, without `end`. Equal if there is no block yet. */
  start: number;
  end: number;
}

/** Inline code, the address of a link, or a line. Lines are counted from 1. */
export type Piece = { value: string; line: number };

export interface Text {
  file: string;
  lines: string[];
  blocks: Block[];
  code: Piece[];
  links: Piece[];
  /** The anchors of its headings. */
  anchors: string[];
  problems: Problem[];
}

/** Something an author has to correct. */
export class Problem extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const COMMENT = /^<!-- (excerpt|diff|change|only|steps)\b:? ?([\s\S]*?)\s*(-->)?$/;

export function parseText(file: string, markdown: string): Text {
  const lines = markdown.split('\n');
  const blocks: Block[] = [];
  const text: Text = { file, lines, blocks, code: [], links: [], anchors: [], problems: [] };
  const slugs = new GithubSlugger();
  let chapter = '';
  visit(remark().use(remarkGfm).parse(markdown), (node) => {
    const line = node.position?.start.line ?? 0;
    const end = node.position?.end.line ?? 0;
    if (node.type === 'heading') {
      text.anchors.push(slugs.slug(textOf(node)));
      if (node.depth === 2) chapter = textOf(node);
    } else if (node.type === 'inlineCode') {
      text.code.push({ value: node.value, line });
    } else if (node.type === 'link') {
      text.links.push({ value: node.url, line });
    } else if (node.type === 'html' && COMMENT.test(node.value)) {
      const [, what = '', rest = '', isClosed] = COMMENT.exec(node.value) ?? [];
      if (!isClosed) text.problems.push(new Problem(line, 'End this comment with "-->".'));
      let after = end;
      while (what === 'steps' && lines[after]?.startsWith('|')) after++;
      const place = { start: end, end: after };
      blocks.push({ chapter, asks: { what, rest }, language: '', lines: [], ...place });
    } else if (node.type === 'code') {
      const content = node.value.split('\n');
      // A fence among the lines is that of a later block: the block's own is missing.
      const isClosed = /^```\s*$/.test(lines[end - 1] ?? '') && !/^```/m.test(node.value);
      if (!isClosed) text.problems.push(new Problem(line, 'Close this block with ```.'));
      const block = { language: node.lang ?? '', lines: content, start: line - 1, end };
      const asking = blocks.find((one) => one.start === line - 1);
      if (asking) Object.assign(asking, block);
      else blocks.push({ chapter, ...block });
    }
  });
  return text;
}
