import { likeness } from './match.ts';
import type { Problem } from './text.ts';

/** A part of a change: the lines that must stand in the file, and those that take their place. */
export interface Hunk {
  line: number;
  before: string[];
  /** Where each of these lines stands in the text. */
  lines: number[];
  after: string[];
}

/** Reads the change of an exercise: each `@@` begins a part of it. @param line where the first line stands */
export function readHunks(lines: string[], line: number): Hunk[] {
  const hunks: Hunk[] = [];
  for (const [index, text] of lines.entries()) {
    const hunk = hunks.at(-1);
    if (text === '@@') hunks.push({ line: line + index + 1, before: [], lines: [], after: [] });
    else if (hunk) {
      if (!text.startsWith('+')) {
        hunk.before.push(text.slice(1));
        hunk.lines.push(line + index);
      }
      if (!text.startsWith('-')) hunk.after.push(text.slice(1));
    }
  }
  return hunks;
}

/** Changes a file as an exercise says. @returns what it is then, or what does not fit */
export function applyChange(
  path: string,
  source: string,
  hunks: Hunk[],
): string | Omit<Problem, 'file'> {
  const lines = source.split('\n');
  for (const hunk of hunks) {
    const { line, before, after } = hunk;
    const places = lines.flatMap((_, at) => (standsAt(before, lines, at) ? [at] : []));
    const [at] = places;
    if (at === undefined) return missing(path, hunk, lines);
    if (places.length > 1) {
      const message = `These lines stand ${places.length} times in ${path}. Expected is once.`;
      return { line, message };
    }
    if (before.join('\n') === after.join('\n')) {
      return { line, message: 'This changes nothing. Expected is a line with - or +.' };
    }
    lines.splice(at, before.length, ...after);
  }
  return lines.join('\n');
}

/** Where somebody meant, and the first line there that is another. */
function missing(path: string, hunk: Hunk, lines: string[]): Omit<Problem, 'file'> {
  const { before } = hunk;
  const at = closest(before, lines);
  const index = Math.max(
    0,
    before.findIndex((text, index) => text !== lines[at + index]),
  );
  const expected = lines[at + index] ?? 'the end of the file';
  const message = `${path} has no such line here:\n  ${before[index]}\nExpected is\n  ${expected}`;
  return { line: hunk.lines[index] ?? hunk.line, message };
}

/** Whether lines stand in others at a place. */
function standsAt(part: string[], lines: string[], at: number): boolean {
  return part.length > 0 && part.every((text, index) => lines[at + index] === text);
}

/** Where these lines, of which one or more are wrong, were most probably taken from. */
export function closest(part: string[], lines: string[]): number {
  let best = { at: 0, agree: -1, alike: -1 };
  for (const at of lines.keys()) {
    const differs = part.findIndex((text, index) => lines[at + index]?.trim() !== text.trim());
    const agree = differs === -1 ? part.length : differs;
    const alike = part.reduce((sum, text, index) => sum + likeness(text, lines[at + index]), 0);
    if (agree > best.agree || (agree === best.agree && alike > best.alike)) {
      best = { at, agree, alike };
    }
  }
  return best.at;
}
