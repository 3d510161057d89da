/** What a line stands for that leaves others out. */
export const LEFT_OUT = '…';

/** Where what was found departs from what is expected: a line of the expected ones, and why. */
export interface Mismatch {
  index: number;
  message: string;
}

/** How the lines of the text were laid over those that were found. */
export interface Laid {
  /** The lines that agree, up to the first that does not: its index in the text, and both. */
  pairs: { index: number; text: string; found: string }[];
  mismatch?: Mismatch;
}

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
  return layOver(expected, actual, same).mismatch;
}

/** As `mismatch`, and tells which line was found for which. Where a `…` may end in several places, all are tried. */
export function layOver(
  expected: string[],
  actual: string[],
  same: (expected: string, actual: string) => boolean,
): Laid {
  let furthest: { pairs: Laid['pairs']; index: number; at: number; likeness: number } | undefined;
  const pairs = lay(0, 0, []);
  if (pairs) return { pairs };
  const { index = 0, at = 0 } = furthest ?? {};
  return {
    pairs: furthest?.pairs ?? [],
    mismatch: {
      index: Math.min(index, expected.length - 1),
      message: difference(expected[index], actual[at]),
    },
  };

  function lay(index: number, at: number, pairs: Laid['pairs']): Laid['pairs'] | undefined {
    const text = expected[index];
    const found = actual[at];
    if (text === undefined && found === undefined) return pairs;
    if (text === LEFT_OUT && found !== undefined) {
      for (let next = at + 1; next <= actual.length; next++) {
        const laid = lay(index + 1, next, pairs);
        if (laid) return laid;
      }
      return undefined;
    }
    if (text !== undefined && found !== undefined && same(text, found)) {
      return lay(index + 1, at + 1, [...pairs, { index, text, found }]);
    }
    // The way on which most lines agree is the one to tell of; then the one whose next line is most alike.
    const alike = likeness(text, found);
    const { pairs: best = [], likeness: bestAlike = -1 } = furthest ?? {};
    if (pairs.length > best.length || (pairs.length === best.length && alike > bestAlike)) {
      furthest = { pairs, index, at, likeness: alike };
    }
    return undefined;
  }
}

/** How much two lines have in common at their beginnings and ends, in characters. */
export function likeness(one = '', other = ''): number {
  const [a, b] = [[...one.trim()], [...other.trim()]];
  const both = common(a, b) + common(a.reverse(), b.reverse());
  return Math.min(both, a.length, b.length);
}

function common(one: string[], other: string[]): number {
  const end = one.findIndex((character, index) => character !== other[index]);
  return end === -1 ? one.length : end;
}

function difference(text: string | undefined, found: string | undefined): string {
  if (text === undefined)
    return `There is more, which the text leaves out without a …:\n  ${found}`;
  if (text === LEFT_OUT) return 'The … leaves nothing out. Expected is nothing more.';
  return `The text has\n  ${text}\nExpected is\n  ${found ?? 'nothing more'}`;
}
