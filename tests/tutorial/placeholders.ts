/**
 * What differs from run to run, by its kind. The order matters: the first that fits a place wins.
 *
 * - `name`: what is the same in the text must be the same in the run, and what differs must differ.
 * - `moment`: what is the same in the text is the same in the run, to within two seconds.
 * - `any`: may be anything of its shape.
 */
const kinds: { kind: string; pattern: RegExp; sort: 'name' | 'moment' | 'any' }[] = [
  { kind: 'password hash', pattern: /(?<=\$2b\$10\$)[\w./]{53}/, sort: 'name' },
  { kind: 'time', pattern: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, sort: 'moment' },
  {
    kind: 'date',
    pattern: /[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/,
    sort: 'moment',
  },
  { kind: 'signature', pattern: /(?<=s%3A[\w-]{32}\.)(?:\w|%2B|%2F){43}(?!\w|%)/, sort: 'name' },
  {
    kind: 'session id',
    pattern: /(?:(?<=s:|s%3A)|(?<![\w%-]))(?=[\w-]*[A-Za-z])[\w-]{32}(?![\w-])/,
    sort: 'name',
  },
  // A session id of which only the beginning is shown.
  {
    kind: 'short id',
    pattern: /(?:(?<=s:|s%3A)|(?<![\w%-]))(?=[\w-]*[A-Z\d])[\w-]{8}(?=…)/,
    sort: 'name',
  },
  {
    kind: 'process',
    pattern: /(?<=\bprocess(?:es)? |"processId": |\bkill -\w+ |\(node:)\d+/,
    sort: 'name',
  },
  // express-session computes it back from the expiry, which can cost it a millisecond.
  { kind: 'max age', pattern: /(?<="originalMaxAge": ?)86(?:400000|399999)/, sort: 'any' },
  { kind: 'duration', pattern: /(?<![\w.])\d+(?:\.\d+)?(?=m?s\b)/, sort: 'any' },
  { kind: 'folder', pattern: /(?:\/[\w.@-]+)+\/keep-users-logged-in(?![\w-])/, sort: 'any' },
];

const anyPlaceholder = new RegExp(
  kinds.map(({ pattern }, index) => `(?<k${index}>${pattern.source})`).join('|'),
  'gu',
);

/** A placeholder of the text, and what stands for it in the run. */
interface Pair {
  token: Token;
  actual: string;
}

interface Token {
  kind: string;
  sort: 'name' | 'moment' | 'any';
  pattern: RegExp;
  value: string;
  at: number;
}

/** What the placeholders of a chapter stand for in this run: each for one thing, everywhere. */
export class Placeholders {
  readonly #actual = new Map<string, string>();
  readonly #expected = new Map<string, string>();

  /** Whether a line is what the text says, but for what differs from run to run. */
  same(expected: string, actual: string): boolean {
    return pair(expected, actual)?.every((one) => this.#contradiction(one) === undefined) ?? false;
  }

  /**
   * Remembers what the placeholders of a line stand for, from now on.
   *
   * @returns what contradicts the lines before, in words; undefined when nothing does.
   */
  learn(expected: string, actual: string): string | undefined {
    for (const one of pair(expected, actual) ?? []) {
      const contradiction = this.#contradiction(one);
      if (contradiction) return contradiction;
      const { kind, value } = one.token;
      this.#actual.set(key(kind, value), one.actual);
      this.#expected.set(key(kind, one.actual), value);
    }
    return undefined;
  }

  /** A command of the text, with what its placeholders stand for in this run. */
  fill(command: string): string {
    return command.replaceAll(anyPlaceholder, (value) => {
      const known = kinds.map(({ kind }) => this.#actual.get(key(kind, value)));
      return known.find((found) => found !== undefined) ?? value;
    });
  }

  #contradiction({ token: { kind, sort, value }, actual }: Pair): string | undefined {
    if (sort === 'any') return undefined;
    const known = this.#actual.get(key(kind, value));
    if (sort === 'moment') {
      const apart = known ? Math.abs(Date.parse(known) - Date.parse(actual)) : 0;
      return apart > 2000
        ? `Expected is another ${kind} than ${value}: it differs here.`
        : undefined;
    }
    if (known !== undefined && cut(kind, known) !== cut(kind, actual)) {
      return `Expected is another ${kind} than ${value}, which stands for another one above.`;
    }
    const meant = this.#expected.get(key(kind, actual));
    if (meant !== undefined && cut(kind, meant) !== cut(kind, value)) {
      return `Expected is the ${kind} ${meant}: it is the same as above.`;
    }
    return undefined;
  }
}

/** The session ids in a text, whole. */
export function sessionIds(text: string): string[] {
  return tokens(text).flatMap(({ kind, value }) => (kind === 'session id' ? [value] : []));
}

/** What stands for each placeholder of a line; undefined when the lines differ in something else. */
function pair(expected: string, actual: string): Pair[] | undefined {
  const line = withoutTime(expected);
  const found = tokens(line);
  let pattern = '';
  let end = 0;
  for (const { kind, pattern: shape, value, at } of found) {
    const isShort = kind === 'short id'; // whole in the run, perhaps: the … behind it is the rest
    pattern += `${literal(line.slice(end, at))}(${isShort ? '[\\w-]{8}' : shape.source})`;
    end = at + value.length;
  }
  pattern += literal(line.slice(end));
  const match = new RegExp(`^${pattern}$`, 'u').exec(withoutTime(actual));
  return match
    ? found.map((token, index) => ({ token, actual: match[index + 1] ?? '' }))
    : undefined;
}

function tokens(line: string): Token[] {
  return [...line.matchAll(anyPlaceholder)].flatMap(({ 0: value, index: at, groups = {} }) => {
    const found = kinds.find((_, index) => groups[`k${index}`] !== undefined);
    return found ? [{ ...found, value, at }] : [];
  });
}

/** The text between placeholders, in which `…` stands for the rest of a word or a line. */
function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replaceAll('…', '.+');
}

/** vitest adds to some lines how long it took. */
function withoutTime(line: string): string {
  return /^\s*[✓×❯↓] /.test(line) ? line.replace(/\s+\d+ms$/, '') : line;
}

/** A session id and its beginning are one and the same. */
function key(kind: string, value: string): string {
  return `${kind === 'short id' ? 'session id' : kind} ${cut(kind, value)}`;
}

function cut(kind: string, value: string): string {
  return kind === 'session id' || kind === 'short id' ? value.slice(0, 8) : value;
}
