import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stepNames } from '../steps.ts';

/** A way to break the product by one line, and the tests that should notice. */
export interface Mutation {
  /** What is broken, in a few words. */
  what: string;
  /** The file to break. */
  file: string;
  /** The code to replace. */
  from: string;
  to: string;
  /** The arguments that make vitest run these tests, and only them. */
  tests: string;
}

// The breaks are listed in the text files of this folder:
//
//     steps/shared/accounts.ts
//       names of 33 characters: {1,32} → {1,33}
//
//     steps/0[34]-*/app.ts: tests/restart.test.ts -t "of *"
//       no store in the real server: session({ store, → session({
//
// After the arrow comes what replaces the code before it, or nothing. That code must occur exactly once in the
// file. A space in it stands for any white space, and "…" for the code in between, which stays. A break that is
// too long for a line continues in the next ones, indented further.
//
// The tests that should notice are those of the file, or those after its name, with options of vitest. A "*" makes
// the break in every step whose name matches; in the tests it is that step.

/** All breaks. */
export const mutations: Mutation[] = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.txt'))
  .flatMap((name) => parse(readFileSync(join(import.meta.dirname, name), 'utf8')));

function parse(list: string): Mutation[] {
  const sections = list.replace(/^#.*\n/gm, '').split(/\n(?=\S)/);
  return sections.flatMap((section) => {
    const [header = '', ...lines] = section.trim().split(/\n {2}(?=\S)/);
    const entries = lines.map(parseEntry);
    return placesOf(header).flatMap((place) => entries.map((entry) => ({ ...entry, ...place })));
  });
}

function parseEntry(text: string): Pick<Mutation, 'what' | 'from' | 'to'> {
  const line = text.replace(/\s+/g, ' ');
  const [, what, from, to] = /^(.+?): (.+) → ?(.*)$/.exec(line) ?? [];
  if (!what || !from || to === undefined) throw new Error(`This is not a break: ${line}`);
  return { what, from, to };
}

/** What a header means: a file and its tests, or those of every step that its "*" stands for. */
function placesOf(header: string): Pick<Mutation, 'file' | 'tests'>[] {
  const [pattern = '', tests] = header.split(': ');
  const [, glob] = /^steps\/(.*\*)\//.exec(pattern) ?? [];
  if (!glob) return [{ file: pattern, tests: tests ?? testsOf(pattern) }];
  const isMeant = new RegExp(`^${glob.replace('*', '.*')}$`);
  const steps = stepNames.filter((step) => isMeant.test(step));
  return steps.map((step) => {
    const file = pattern.replace(glob, step);
    return { file, tests: tests?.replaceAll('*', step) ?? testsOf(file) };
  });
}

/** The test file of a file: each step has one, and the folders of `tests/` are those of the rest. */
function testsOf(file: string): string {
  if (/^steps\/\d/.test(file)) return `${dirname(file)}/app.test.ts`;
  return file.replace(/^(steps\/)?(.+)\.ts$/, 'tests/$2.test.ts');
}

/** The code to replace is missing in the file, or occurs more than once. */
export class MisfitError extends Error {}

/**
 * @returns the code of the mutation's file, broken.
 * @throws {MisfitError} when the code to replace does not occur exactly once.
 */
export function breakCode(code: string, { from, to }: Pick<Mutation, 'from' | 'to'>): string {
  const literal = from.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const spaced = literal.replace(/ ?… ?/, '(.+?)').replaceAll(' ', String.raw`\s+`);
  const pattern = new RegExp(spaced, 'gs');
  const times = code.match(pattern)?.length ?? 0;
  if (times !== 1) {
    const excerpt = JSON.stringify(from);
    throw new MisfitError(`${excerpt} occurs ${times} times in the file. It must occur once.`);
  }
  return code.replace(pattern, (_, between) => to.replace(/ ?… ?/, () => between));
}
