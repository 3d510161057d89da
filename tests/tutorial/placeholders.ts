/**
 * What differs from run to run, by its kind. The order matters: the first that fits a place wins.
 *
 * - `name`: what is the same in the text must be the same in the run, and what differs must differ.
 * - `moment`: what is the same in the text is the same in the run, to within two seconds.
 */
const kinds: { kind: string; pattern: RegExp; sort: 'name' | 'moment' }[] = [
  { kind: 'password hash', pattern: /\$2b\$10\$[\w./]{53}/, sort: 'name' },
  { kind: 'time', pattern: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, sort: 'moment' },
  {
    kind: 'date',
    pattern: /[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/,
    sort: 'moment',
  },
  { kind: 'session id', pattern: /(?<=^|s%3A|['\s])[\w-]{32}(?=[.|']|$)/, sort: 'name' },
  { kind: 'signature', pattern: /(?<=[\w-]{32}\.)(?:[\w-]|%2B|%2F){43}/, sort: 'name' },
  { kind: 'process', pattern: /(?<=process |"processId": |kill -9 )\d+/, sort: 'name' },
];

const anyPlaceholder = new RegExp(
  kinds.map(({ pattern }, index) => `(?<k${index}>${pattern.source})`).join('|'),
  'g',
);

interface Token {
  kind: string;
  sort: 'name' | 'moment';
  value: string;
}

/** What the placeholders of a chapter stand for in this run: each for one thing, everywhere. */
export class Placeholders {
  readonly #actual = new Map<string, string>();
  readonly #expected = new Map<string, string>();

  /** Whether a line is what the text says, but for what differs from run to run. */
  same(expected: string, actual: string): boolean {
    const open = expected.endsWith('…'); // the rest of the line is left out
    const [text, run] = [split(open ? expected.slice(0, -1) : expected), split(actual)];
    if (open && run.words.length > text.words.length) {
      const last = text.words.length - 1;
      run.words.length = last + 1;
      run.tokens.length = last;
    }
    const isLast = (index: number) => open && index === text.words.length - 1;
    const fits =
      text.words.length === run.words.length &&
      text.words.every((word, index) =>
        isLast(index) ? run.words[index]?.startsWith(word) : run.words[index] === word,
      ) &&
      text.tokens.every(({ kind }, index) => run.tokens[index]?.kind === kind);
    if (!fits) return false;
    const pairs = text.tokens.flatMap((token, index) => {
      const other = run.tokens[index];
      return other ? [{ token, value: other.value }] : [];
    });
    if (!pairs.every(({ token, value }) => this.#agrees(token, value))) return false;
    for (const { token, value } of pairs) this.#learn(token, value);
    return true;
  }

  /** A command of the text, with what its placeholders stand for in this run. */
  fill(command: string): string {
    return command.replaceAll(anyPlaceholder, (value) => {
      const known = kinds.map(({ kind }) => this.#actual.get(`${kind} ${value}`));
      return known.find((found) => found !== undefined) ?? value;
    });
  }

  #agrees({ kind, sort, value }: Token, actual: string): boolean {
    const known = this.#actual.get(`${kind} ${value}`);
    if (sort === 'moment') {
      return !known || Math.abs(Date.parse(known) - Date.parse(actual)) <= 2000;
    }
    const meant = this.#expected.get(`${kind} ${actual}`);
    return (known === undefined || known === actual) && (meant === undefined || meant === value);
  }

  #learn({ kind, value }: Token, actual: string): void {
    this.#actual.set(`${kind} ${value}`, actual);
    this.#expected.set(`${kind} ${actual}`, value);
  }
}

/** A line as its words between the placeholders, and the placeholders between its words. */
function split(line: string): { words: string[]; tokens: Token[] } {
  const tokens: Token[] = [];
  const words: string[] = [];
  let at = 0;
  for (const match of line.matchAll(anyPlaceholder)) {
    const index = Object.values(match.groups ?? {}).findIndex((value) => value !== undefined);
    const found = kinds[index];
    if (!found) continue;
    words.push(line.slice(at, match.index));
    tokens.push({ kind: found.kind, sort: found.sort, value: match[0] });
    at = match.index + match[0].length;
  }
  words.push(line.slice(at));
  return { words, tokens };
}
