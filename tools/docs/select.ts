/** Some lines of a source: the first, and the one after the last. */
export type Range = { start: number; end: number };

export const depth = (line = '') => line.length - line.trimStart().length;
export const isFilled = (line = '') => line.trim() !== '';

/** The places where a line begins with an anchor. Indentation and the bars of a table do not count. */
export function matchesOf(lines: string[], anchor: string, from = 0): number[] {
  const begins = (line: string) => line.replace(/^[\s|]+/, '').startsWith(anchor);
  return lines.flatMap((line, index) => (index >= from && begins(line) ? [index] : []));
}

/**
 * The unit that begins at a line: the line, the deeper lines after it, and the line that closes it, so one
 * statement, one JSON value, or one group of tests. A comment includes the statement it describes.
 */
export function unitAt(lines: string[], start: number): Range {
  const isBeside = (line = '') => line.trim() !== '' && depth(line) === depth(lines[start]);
  let end = start;
  let isOpen = true;
  while (isOpen) {
    const isComment = /^\s*(\/\/|\/\*)/.test(lines[end] ?? '');
    end++;
    while (end < lines.length && (!isFilled(lines[end]) || depth(lines[end]) > depth(lines[start])))
      end++;
    while (!isFilled(lines[end - 1])) end--;
    const next = lines[end];
    // A line such as "} else {" closes one body and opens the next.
    isOpen = isBeside(next) && (isComment || /^\s*[)\]}].*[([{]$/.test(next ?? ''));
    if (!isOpen && isBeside(next) && /^\s*[)\]}]/.test(next ?? '')) end++;
  }
  return { start, end };
}

/** The lines of some units, in order, with a `gap` for what is left out before, between and after them. */
export function joinUnits(lines: string[], units: Range[], gap: (next?: string) => string) {
  const shown: string[] = [];
  let at = 0;
  for (const { start, end } of [...units, { start: lines.length, end: lines.length }]) {
    const between = lines.slice(at, start);
    shown.push(...(between.some(isFilled) ? [gap(lines[start])] : between));
    shown.push(...lines.slice(Math.max(at, start), end)); // a unit may be part of the one before
    at = Math.max(at, end);
  }
  return shown;
}

/** vitest prints a file when its tests have ended, so in any order. @returns the lines with the files by name */
export function sortTestFiles(lines: string[]): string[] {
  const starts = lines.flatMap((line, index) => (/^ [✓×❯↓] \|/.test(line) ? [index] : []));
  const files = starts.map((start) => unitAt(lines, start));
  const isTest = (at: number) => files.some(({ start, end }) => start <= at && at < end);
  const tests = files
    .map(({ start, end }) => lines.slice(start, end))
    .sort(([one = ''], [other = '']) => (one.slice(3) < other.slice(3) ? -1 : 1));
  const first = starts[0] ?? lines.length;
  const others = lines.filter((_, at) => at >= first && !isTest(at));
  return [...lines.slice(0, first), ...tests.flat(), ...others];
}
