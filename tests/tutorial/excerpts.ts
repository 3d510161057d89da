import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '#tools/steps.ts';
import type { Block, Problem, Text } from './text.ts';

const languages = ['ts', 'js', 'json', 'html', 'css'];

/**
 * Holds each block of code to the file that its first line names, `// steps/01-in-memory/app.ts`: it is
 * an excerpt of it, whatever its indentation. A line `// …` stands for one or more lines left out.
 */
export async function checkExcerpts({ file, blocks }: Text): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const block of blocks.filter(({ language }) => languages.includes(language))) {
    const [path] = /^\/\/ (\S+\.\w+)$/.exec(block.lines[0] ?? '')?.slice(1) ?? [];
    const source = path && (await readFile(join(root, path), 'utf8').catch(() => undefined));
    if (!path || source === undefined) {
      const message = `Expected is a first line that names a file of the project: // path/of/the/file.ts`;
      problems.push({ file, line: block.line, message });
      continue;
    }
    problems.push(...departures(block, path, source).map((problem) => ({ file, ...problem })));
  }
  return problems;
}

function departures(block: Block, path: string, source: string) {
  const sourceLines = source.split('\n');
  const runs = split(block);
  let from = 0; // where in the source the next run may begin
  for (const { lines, line } of runs) {
    const places = sourceLines.flatMap((_, index) =>
      isAt(lines, sourceLines, index) ? index : [],
    );
    if (places.length === 0) {
      const wrong = firstWrong(lines, sourceLines);
      return [
        { line: line + wrong.index, message: `${path} has no such line here. ${wrong.hint}` },
      ];
    }
    const place = places.find((index) => index >= from);
    if (place === undefined) {
      return [{ line, message: `In ${path} these lines stand before those above the "…".` }];
    }
    if (from > 0 && place === from - 1) {
      return [{ line, message: `The "…" leaves nothing out: ${path} goes on with this line.` }];
    }
    from = place + lines.length + 1; // at least one line is left out
  }
  return [];
}

/** The runs of lines between those that leave something out, without the line that names the file. */
function split(block: Block): { lines: string[]; line: number }[] {
  const runs: { lines: string[]; line: number }[] = [{ lines: [], line: block.line + 1 }];
  for (const [index, text] of block.lines.slice(1).entries()) {
    if (/^\s*\/\/ …$/.test(text)) runs.push({ lines: [], line: block.line + index + 2 });
    else runs.at(-1)?.lines.push(text);
  }
  return runs.filter(({ lines }) => lines.length > 0);
}

/** Whether lines stand in a source at a place, all with the same additional indentation. */
function isAt(lines: string[], source: string[], index: number): boolean {
  const first = source[index] ?? '';
  const indentation = first.slice(0, first.length - (lines[0] ?? '').length);
  return (
    indentation.trim() === '' &&
    lines.every((line, i) => source[index + i] === (line === '' ? '' : indentation + line))
  );
}

/** The line up to which the excerpt is found in the source, and what the source has in its place. */
function firstWrong(lines: string[], source: string[]): { index: number; hint: string } {
  for (let length = lines.length - 1; length > 0; length--) {
    const place = source.findIndex((_, index) => isAt(lines.slice(0, length), source, index));
    if (place !== -1) {
      return { index: length, hint: `Expected is:\n  ${source[place + length]?.trim()}` };
    }
  }
  const next = source.findIndex((_, index) => isAt(lines.slice(1), source, index));
  const hint = next > 0 && lines.length > 1 ? `Expected is:\n  ${source[next - 1]?.trim()}` : '';
  return { index: 0, hint };
}
