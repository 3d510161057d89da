import { createTwoFilesPatch } from 'diff';
import { type Block, Problem, type Text } from './markdown.ts';
import { change, diff, excerpt, stepsTable } from './quote.ts';
import { Reader } from './transcript.ts';

/** These blocks quote nothing. */
const free = ['mermaid', 'sh', 'js'];
const isTyped = ({ language, asks }: Block) => language === 'console' || asks?.command === 'change';

const AT_ONCE = 3; // sections, each with servers of its own
const running = new Set<Promise<void>>();

/** Rewrites every block of a text. */
export async function renew(text: Text) {
  const parts = [...text.parts];
  const problems = [...text.problems];
  const sections = new Set(problems.length > 0 ? [] : text.blocks.map(({ section }) => section));
  await Promise.all([...sections].map((section) => inTurn(() => renewSection(section))));
  return { text, markdown: parts.join(''), problems };

  async function renewSection(section: string): Promise<void> {
    const blocks = text.blocks.filter((block) => block.section === section);
    await Reader.during(blocks.some(isTyped), (reader) => renewAll(blocks, reader));
  }

  async function renewAll(blocks: Block[], reader: Reader): Promise<void> {
    for (const block of blocks) {
      try {
        const lines = await renewBlock(block, reader);
        const start = parts[block.part] === '' ? '\n' : ''; // after the comment
        if (lines.length > 0) parts[block.part] = start + lines.join('\n');
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const { line } = block.asks ?? block;
        problems.push(error instanceof Problem ? error : new Problem(line, error.message));
      }
    }
  }
}

async function inTurn(work: () => Promise<void>): Promise<void> {
  while (running.size >= AT_ONCE) await Promise.race(running);
  const done = work().finally(() => running.delete(done));
  running.add(done);
  await done;
}

/** @returns the lines of the block as they should be; none if it quotes nothing. */
async function renewBlock(block: Block, reader: Reader): Promise<string[]> {
  const { command, rest = '' } = block.asks ?? {};
  if (command === 'steps') return stepsTable();
  if (command === 'excerpt') {
    const [, extension] = /^\S+\.(\w+):/.exec(rest) ?? []; // a Dockerfile has none
    return fenced(extension ?? block.language, await excerpt(rest));
  }
  if (command === 'diff') return fenced('diff', await diff(rest));
  if (command === 'change') return fenced('diff', await change(rest, reader.folder));
  if (block.language === 'console') return fenced('console', await reader.follow(block));
  if (command) throw new Error('Write a console block directly after this comment.');
  if (free.includes(block.language)) return [];
  throw new Error(
    'Say what this block quotes in a comment directly before it: excerpt, diff, change.',
  );
}

function fenced(language: string, lines: string[]): string[] {
  return [`\`\`\`${language}`, ...lines, '```'];
}

/** One line for each problem, which an editor can jump to. */
export function list({ text, problems }: { text: Text; problems: Problem[] }): string {
  const sorted = problems.toSorted((one, other) => one.line - other.line);
  return sorted.map(({ line, message }) => `${text.file}:${line}: ${message}\n`).join('');
}

/** What changes in a text, as a diff. */
export function showChanges({ file, parts }: Text, markdown: string): string {
  const before = parts.join('');
  const options = { context: 1 };
  if (before === markdown) return '';
  return createTwoFilesPatch(file, file, before, markdown, '', '', options);
}
