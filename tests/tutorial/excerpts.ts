import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '#tools/steps.ts';
import { closest } from './changes.ts';
import type { Block, Problem, Text } from './text.ts';

const languages = ['ts', 'js', 'cjs', 'json', 'html', 'css'];

/** Console blocks and diffs are checked elsewhere; a diagram and a command for another project are not. */
const others = ['console', 'diff', 'mermaid', 'sh'];

/**
 * Holds each block of code to the file that its first line names, `// steps/01-in-memory/app.ts`: it is
 * an excerpt of it, whatever its indentation. A line `// …` stands for one or more lines left out.
 */
export async function checkExcerpts({ file, blocks }: Text): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const block of blocks.filter(({ language }) => !others.includes(language))) {
    if (!languages.includes(block.language)) {
      const known = [...languages, ...others].join(', ');
      const message = `Nobody checks a block of "${block.language}". Expected is one of ${known}.`;
      problems.push({ file, line: block.line - 1, message });
      continue;
    }
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
  let end = -1; // where the run before ended in the source
  let indentation: string | undefined;
  for (const { lines, line } of split(block)) {
    const places = [...sourceLines.keys()].filter((index) => isAt(lines, sourceLines, index));
    const [place] = places;
    if (place === undefined) return [missing(path, lines, line, sourceLines)];
    if (places.length > 1) {
      const message = `These lines stand ${places.length} times in ${path}. Expected is once.`;
      return [{ line, message }];
    }
    if (place < end) {
      return [{ line, message: `In ${path} these lines stand before those above the "…".` }];
    }
    if (place === end) {
      return [{ line, message: `The "…" leaves nothing out: ${path} goes on with this line.` }];
    }
    const indented = indentationAt(lines, sourceLines, place);
    if (indentation !== undefined && indented !== indentation) {
      const expected = sourceLines[place]?.slice(indentation.length);
      return [
        { line, message: `This is indented otherwise than in ${path}. Expected is:\n${expected}` },
      ];
    }
    indentation = indented;
    end = place + lines.length;
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
  const indentation = indentationAt(lines, source, index);
  return (
    indentation.trim() === '' &&
    lines.every((line, i) => source[index + i] === (line === '' ? '' : indentation + line))
  );
}

/** What stands in the source before the text of a run, in its first line that is not empty. */
function indentationAt(lines: string[], source: string[], index: number): string {
  const first = Math.max(
    0,
    lines.findIndex((line) => line !== ''),
  );
  const there = source[index + first] ?? '';
  return there.slice(0, Math.max(0, there.length - (lines[first] ?? '').length));
}

/** The first line that is not in the source, at the place where most of the others are. */
function missing(path: string, lines: string[], line: number, source: string[]) {
  const at = closest(lines, source);
  const wrong = lines.findIndex((text, index) => source[at + index]?.trim() !== text.trim());
  const index = Math.max(0, wrong); // when only the indentation differs
  const expected = source[at + index]?.trim() ?? 'the end of the file';
  const message = `${path} has no such line here. Expected is:\n  ${expected}`;
  return { line: line + index, message };
}
