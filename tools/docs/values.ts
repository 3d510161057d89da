/** What differs from run to run. If two kinds match, the first wins. */
const kinds = {
  hash: /(?<=\$2b\$\d\d\$)[\w./]{53}/,
  time: /\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z/,
  date: /[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT/,
  signature: /(?<=s%3A[\w-]{32}\.)(?:\w|%2B|%2F){43}(?!\w|%)/,
  // A session id, or its beginning before a "…".
  id: /(?:(?<=s:|s%3A)|(?<![\w%-])(?=[\w-]*[A-Z\d]))(?:[\w-]{32}(?![\w-])|[\w-]{8}(?=…))|(?<=s%3A)[\w-]{9,31}(?=…)/,
  process:
    /(?<=\b[Pp]rocess |\b(?:servers|replaced:) (?:\d+, )*|"processId": |\bkill -\w+ |\/proc\/|\(node:)\d+/,
  port: /(?<=postgres@127\.0\.0\.1:)\d+/,
  // express-session computes it from the expiry, which can lose a millisecond.
  age: /(?<="originalMaxAge": ?)86(?:400000|399999)/,
  duration: /(?<![\w.])\d+(?:\.\d+)?(?= ?m?s\b)/,
  folder: /(?:\/[\w.@-]+)+\/keep-users-logged-in(?![\w-])/,
};

const sources = Object.entries(kinds).map(([kind, { source }]) => `(?<${kind}>${source})`);
const anyValue = new RegExp(sources.join('|'), 'g');

type Value = { kind: string; value: string };

/** The values of one chapter. Each value of the run has exactly one value in the text, and vice versa. */
export class Values {
  readonly #inText = new Map<string, string>();
  readonly #inRun = new Map<string, string>();

  /** @returns the printed lines, each value as the text has it in the same place, or had it before. */
  rewrite(text: string[], printed: string[]): string[] {
    const olds = valuesIn(text.join('\n')).values();
    return printed.map((line) =>
      replaceValues(line, (value) => {
        const old = olds.next().value;
        return this.#write(value, old?.kind === value.kind ? old.value : value.value);
      }),
    );
  }

  /** @returns a command of the text with the values of this run. @throws for a process it cannot know */
  fill(command: string): string {
    return replaceValues(command, ({ kind, value }) => {
      const known = this.#inRun.get(key(kind, value));
      // A process with that number may exist, and not be ours.
      if (!known && kind === 'process') throw new Error(`No output above shows ${value}.`);
      return known ?? value;
    });
  }

  #learn({ kind, value }: Value, inText: string): void {
    const known = this.#inText.get(key(kind, value)) ?? '';
    const isNew = known === '' || (kind === 'id' && inText.startsWith(known));
    if (!isNew || !isSame(kind, value, this.#inRun.get(key(kind, inText)))) return;
    this.#inText.set(key(kind, value), inText);
    this.#inRun.set(key(kind, inText), value);
  }

  #write({ kind, value }: Value, inText: string): string {
    if (/age|duration|folder/.test(kind)) return inText;
    this.#learn({ kind, value }, inText);
    const known = this.#inText.get(key(kind, value)) ?? value;
    // Where the text has shown only the beginning of a session id, the rest is the run's.
    return kind === 'id' ? known.slice(0, value.length) + value.slice(known.length) : known;
  }
}

/** Replaces such values by their kinds: the result is equal for lines that differ only in values. */
export function mask(line: string): string {
  return replaceValues(line, ({ kind }) => `<${kind}>`);
}

function valuesIn(line: string): Value[] {
  const values: Value[] = [];
  replaceValues(line, (value) => String(values.push(value)));
  return values;
}

function replaceValues(line: string, replace: (value: Value) => string): string {
  return line.replaceAll(anyValue, (value, ...rest) => {
    const groups: Record<string, string | undefined> = rest.at(-1);
    return replace({ kind: Object.keys(groups).find((name) => groups[name]) ?? '', value });
  });
}

/** A session id and its beginning are one value. */
function key(kind: string, value: string): string {
  return kind === 'id' ? `id ${value.slice(0, 8)}` : `${kind} ${value}`;
}

/** Whether a value of the text may stand for this one and for another. A time may be computed twice. */
function isSame(kind: string, value: string, taken = value): boolean {
  const apart = Math.abs(Date.parse(value) - Date.parse(taken)); // in milliseconds
  return (/time|date/.test(kind) && apart < 2000) || key(kind, value) === key(kind, taken);
}
