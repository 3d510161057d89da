import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { slug } from 'github-slugger';
import type { Heading, Link } from 'mdast';
import { toString as textOf } from 'mdast-util-to-string';
import { remark } from 'remark';
import remarkGfm from 'remark-gfm';
import { visit } from 'unist-util-visit';
import { root } from '#tools/steps.ts';

/** A fenced code block: its language, its lines, and the line of the file that its first line is on. */
export interface Block {
  language: string;
  lines: string[];
  line: number;
}

/** Something with a place in the text: inline code, a link's address, the anchor of a heading. */
export interface Piece {
  value: string;
  line: number;
}

/** A Markdown file, taken apart. */
export interface Text {
  /** Its path in the project. */
  file: string;
  blocks: Block[];
  code: Piece[];
  links: Piece[];
  anchors: Piece[];
  /** The chapters, `## 1. Title` and so on: each with its code blocks. */
  chapters: { title: string; blocks: Block[] }[];
  tables: string[][][];
}

/** Something in a text that is not true. */
export interface Problem {
  file: string;
  line: number;
  /** What is wrong, and what is expected. */
  message: string;
}

/** Reads a Markdown file of the project. */
export async function readText(file: string): Promise<Text> {
  return parseText(file, await readFile(join(root, file), 'utf8'));
}

/** Takes Markdown apart. */
export function parseText(file: string, markdown: string): Text {
  const text: Text = {
    file,
    blocks: [],
    code: [],
    links: [],
    anchors: [],
    chapters: [],
    tables: [],
  };
  const slugs = new Map<string, number>();
  visit(remark().use(remarkGfm).parse(markdown), (node) => {
    const line = node.position?.start.line ?? 0;
    switch (node.type) {
      case 'heading':
        text.anchors.push({ value: anchor(node, slugs), line });
        if (node.depth === 2) text.chapters.push({ title: textOf(node), blocks: [] });
        break;
      case 'code': {
        const block = { language: node.lang ?? '', lines: node.value.split('\n'), line: line + 1 };
        text.blocks.push(block);
        text.chapters.at(-1)?.blocks.push(block);
        break;
      }
      case 'inlineCode':
        text.code.push({ value: node.value, line });
        break;
      case 'link':
        text.links.push({ value: (node as Link).url, line });
        break;
      case 'table':
        text.tables.push(node.children.map((row) => row.children.map((cell) => textOf(cell))));
    }
  });
  return text;
}

/** The anchor that GitHub gives a heading; the second of the same words gets a number. */
function anchor(heading: Heading, slugs: Map<string, number>): string {
  const base = slug(textOf(heading));
  const count = slugs.get(base) ?? 0;
  slugs.set(base, count + 1);
  return count === 0 ? base : `${base}-${count}`;
}

/** Lists problems as an editor can jump to them: `TUTORIAL.md:12: …`. */
export function list(problems: Problem[]): string {
  return problems.map(({ file, line, message }) => `${file}:${line}: ${message}`).join('\n');
}
