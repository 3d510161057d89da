import { structuredPatch } from 'diff';
import { type Block, Problem, type Text } from './markdown.ts';
import { change, diff, excerpt, stepsTable } from './quote.ts';
import { Reader } from './transcript.ts';

/** These blocks quote nothing. */
const free = ['mermaid', 'sh'];
const isTyped = ({ language, asks }: Block) => language === 'console' || asks?.what === 'change';

/** Rewrites every block of a text, or those of one chapter: `3` is the one called `3. …`. */
export async function renew(text: Text, chapter = '') {
  const written = new Map<Block, string[]>();
  const problems = [...text.problems];
  const isWanted = (title: string) => chapter === '' || title.startsWith(`${chapter}. `);
  const titles = new Set(text.blocks.map((block) => block.chapter).filter(isWanted));
  const waiting = problems.length > 0 ? [].values() : titles.values();
  // Two chapters at a time: each worker takes the next one that waits.
  const work = async () => {
    for (const title of waiting) {
      const blocks = text.blocks.filter((block) => block.chapter === title);
      await Reader.during(blocks.some(isTyped), (reader) => renewAll(blocks, reader));
    }
  };
  await Promise.all([work(), work()]);
  return { text, markdown: put(text.lines, written), problems };

  async function renewAll(blocks: Block[], reader: Reader): Promise<void> {
    for (const block of blocks) {
      try {
        const [language, lines] = await renewBlock(block, text, reader);
        if (language === 'table') written.set(block, lines);
        else if (language) written.set(block, [`\`\`\`${language}`, ...lines, '```']);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        problems.push(error instanceof Problem ? error : new Problem(block.start, error.message));
      }
    }
  }
}

/** @returns the language and the lines of the block as they should be; none if it quotes nothing. */
async function renewBlock(block: Block, text: Text, reader: Reader): Promise<[string, string[]]> {
  const { what, rest = '' } = block.asks ?? {};
  if (what === 'steps') return ['table', stepsTable(text)];
  if (what === 'excerpt') return [/\.(\w+):/.exec(rest)?.[1] ?? '', await excerpt(rest)];
  if (what === 'diff') return ['diff', await diff(rest)];
  if (what === 'change') return ['diff', await change(rest, reader.folder)];
  if (block.language === 'console') return ['console', await reader.follow(block)];
  if (what) throw new Error('Write a console block directly after this comment.');
  if (free.includes(block.language)) return ['', []];
  const message =
    'Say what this block quotes in a comment directly before it: excerpt, diff, change.';
  throw new Problem(block.start + 1, message);
}

function put(lines: string[], written: Map<Block, string[]>): string {
  const all = [...lines];
  const fromEnd = [...written].sort(([one], [other]) => other.start - one.start);
  for (const [{ start, end }, block] of fromEnd) {
    all.splice(start, end - start, ...block);
  }
  return all.join('\n');
}

/** One line for each problem, which an editor can jump to. */
export function list({ text, problems }: { text: Text; problems: Problem[] }): string {
  const sorted = problems.toSorted((one, other) => one.line - other.line);
  return sorted.map(({ line, message }) => `${text.file}:${line}: ${message}\n`).join('');
}

/** What changes in a text, as a diff. Each part has its place above it. */
export function showChanges({ file, lines }: Text, markdown: string): string {
  const options = { context: 1 };
  const { hunks } = structuredPatch(file, file, lines.join('\n'), markdown, '', '', options);
  const shown = hunks.map((hunk) => {
    const line = hunk.oldStart + hunk.lines.findIndex((text) => !text.startsWith(' '));
    return [`${file}:${line}`, ...hunk.lines, '', ''].join('\n');
  });
  return shown.join('');
}
