/** Where what was found departs from what is expected: a line of the expected ones, and why. */
export interface Mismatch {
  index: number;
  message: string;
}

/** What a line stands for that leaves others out. */
export const LEFT_OUT = '…';

/**
 * Compares lines with what is expected of them, in which a line `…` stands for one or more lines that are
 * left out.
 *
 * @param same whether a line is as expected; the same text, if nothing else is said.
 * @returns the first expected line that is not there, or undefined when all is as expected.
 */
export function mismatch(
  expected: string[],
  actual: string[],
  same: (expected: string, actual: string) => boolean = (a, b) => a === b,
): Mismatch | undefined {
  let at = 0; // the next line of the actual ones
  let isGap = false;
  for (const [index, line] of expected.entries()) {
    if (line === LEFT_OUT) {
      isGap = true;
      at++;
      continue;
    }
    const found = isGap
      ? actual.findIndex((candidate, i) => i >= at && same(line, candidate))
      : at < actual.length && same(line, actual[at] ?? '')
        ? at
        : -1;
    if (found === -1) return { index, message: difference(line, isGap, actual.slice(at)) };
    at = found + 1;
    isGap = false;
  }
  const left = actual.slice(at);
  if (isGap ? at > actual.length : left.length > 0) {
    const message = isGap
      ? 'The … leaves nothing out: there is no other line.'
      : `There is more, which the text leaves out without a …:\n${left.join('\n')}`;
    return { index: expected.length - 1, message };
  }
  return undefined;
}

function difference(line: string, isGap: boolean, actual: string[]): string {
  const found = isGap ? actual.join('\n') : (actual[0] ?? 'nothing more');
  return `The text has\n  ${line}\nExpected is${isGap ? ' one of the lines' : ''}\n  ${found}`;
}
