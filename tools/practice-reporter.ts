import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { stripVTControlCharacters, styleText } from 'node:util';
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';
import { readStep } from '#steps/shared/step.ts';
import { run } from './processes.ts';
import { numberOf, practice, root, stepFolder, stepNames } from './steps.ts';

type Failed = TestCase | TestSuite | TestModule;
type TestError = ReturnType<TestModule['errors']>[number];

const folder = `steps/${practice}/`;
const testFile = `${folder}app.test.ts`;
const step = readStep(stepFolder(practice)).practises ?? '';
const chapter = numberOf(step);
const text = readFileSync(join(root, 'TUTORIAL.md'), 'utf8').split('\n');

/** Shows what is missing, where the tutorial explains it, and what to do when nothing is missing any more. */
export default class PracticeReporter implements Reporter {
  #vitest: Vitest | undefined;
  #typeErrors: Promise<string[]> = Promise.resolve([]);
  #passed = 0;
  /** What the server printed during each test, by the id of the test. */
  readonly #printed = new Map<string, string>();

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onWatcherRerun(_files: string[], saved?: string): void {
    this.#vitest?.logger.clearFullScreen();
    if (saved) print(`You saved ${relative(root, resolve(root, saved))}.`);
  }

  onTestRunStart(): void {
    this.#typeErrors = findTypeErrors();
    this.#passed = 0;
    this.#printed.clear();
  }

  onUserConsoleLog({ taskId = '', content }: { taskId?: string; content: string }): void {
    this.#printed.set(taskId, (this.#printed.get(taskId) ?? '') + content);
  }

  onTestCaseResult(test: TestCase): void {
    if (test.result().state === 'passed') this.#passed++;
    if (process.stdout.isTTY) process.stdout.write(`\r${this.#passed} tests passed`);
  }

  async onTestRunEnd(modules: readonly TestModule[], unhandled: readonly TestError[]) {
    if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const failures = modules.flatMap(failuresOf);
    const errors = [...failures.map(([, error]) => error), ...unhandled];
    const allTypeErrors = await this.#typeErrors;
    // While tests fail, they may use what is not written yet, and you may have imported what you use next.
    const ownTypeErrors = allTypeErrors.filter(
      (error) => !error.startsWith(testFile) && !error.endsWith('never used.'),
    );
    const typeErrors = errors.length > 0 ? ownTypeErrors : allTypeErrors;

    if (typeErrors.length > 0) showTypeErrors(typeErrors);
    if (tests.length === 0 && typeErrors.length > 0) {
      print('\n    No test can run until you have fixed that.');
    } else {
      const messages = new Set<string>();
      for (const error of unhandled) {
        if (!messages.has(error.message)) this.#explain(error);
        messages.add(error.message);
      }
      for (const [task, error] of failures) this.#explain(error, task);
    }

    if (errors.length + typeErrors.length > 0) process.exitCode = 1;
    const number = (wanted: string) =>
      tests.filter((test) => test.result().state === wanted).length;
    const isAll = !this.#vitest?.config.testNamePattern;
    if (isAll && errors.length + typeErrors.length === 0) return showNext(number('passed'));
    if (tests.length === 0) return print('');
    const others = tests.length - number('passed') - number('failed');
    print(
      `\n${number('passed')} tests passed, ${number('failed')} failed, ${others} did not run. ` +
        'All of their output: npm test practice',
    );
  }

  onWatcherStart(): void {
    print('The tests run again when you save a file in steps/practice. Press q to quit.');
  }

  #explain(error: TestError, task?: Failed): void {
    const printed = this.#printed.get(task?.id ?? '') ?? '';
    const { advice, seen } = read(error, printed);
    const isOwn = (file: string) => file.startsWith(folder) && file !== testFile;
    const lines = {
      Read: whereToRead(advice),
      Seen: seen,
      Difference: seen?.includes('…(') ? differenceOf(error) : undefined,
      Server: shorten(printed),
      'Your code': findFrame(error, isOwn),
      Test: findFrame(error, (file) => file === testFile || file.startsWith('tests/')),
    };
    print(
      `\n${style('red', '✗')} ${style('bold', task ? nameOf(task) : kindOf(error))}\n\n    ${advice}\n`,
    );
    for (const [title, line] of Object.entries(lines)) {
      if (line) print(`    ${title.padEnd(10)} ${line}`);
    }
  }
}

/** The tests that failed, and the groups and files whose tests could not run, each with what went wrong. */
function failuresOf(module: TestModule): [Failed, TestError][] {
  const groups = [module, ...module.children.allSuites()];
  return [
    ...groups.flatMap((group) =>
      group.errors().map((error): [Failed, TestError] => [group, error]),
    ),
    ...[...module.children.allTests('failed')].flatMap((test) => {
      const errors = test.result().errors ?? [];
      return errors.slice(0, 1).map((error): [Failed, TestError] => [test, error]);
    }),
  ];
}

/** Names an error that no test has caught. */
function kindOf({ type, code }: TestError): string {
  if (code === 'ERR_HTTP_HEADERS_SENT') return 'Something answers twice, or calls back twice';
  if (type !== 'Unhandled Rejection') return 'Nothing caught an error';
  return 'Nothing handled a promise that rejected. Is an await or a return missing?';
}

function nameOf(task: Failed): string {
  if (task.type === 'module') return 'The tests cannot begin';
  const parent = task.parent.type === 'module' ? '' : `${nameOf(task.parent)} › `;
  return parent + task.name;
}

/** @returns what to do, and what the test saw instead of what it expected. */
function read(error: TestError, printed: string): { advice: string; seen?: string | undefined } {
  const message = stripVTControlCharacters(error.message).replace(' // Object.is equality', '');
  const [, limit] = /^(?:Test|Hook) timed out in (\d+)ms/.exec(message) ?? [];
  if (limit) {
    const [, request] = /^Never answered: (.+)\.$/m.exec(printed) ?? [];
    const what = request
      ? `${request} was never answered`
      : `The test waited ${Number(limit) / 1000} seconds in vain`;
    const why =
      'Somewhere your code never calls a callback, or waits for a promise that never ends';
    return { advice: withChapter(`${what}. ${why}`) };
  }
  // The sentence that a test gives to expect comes before a colon.
  const [, sentence, seen] = /^(?:(.*?)[:.]? )?(expected .*)$/s.exec(message) ?? [];
  if (sentence) return { advice: withChapter(sentence), seen: shorten(seen ?? '') };
  if (seen)
    return { advice: withChapter('What the test says is not true yet'), seen: shorten(seen) };
  // A server that ends prints where it threw before it prints the error.
  const lines = message.split('\n');
  const first = lines.find((line) => /^(\w*Error|Error \[\w+\]): /.test(line)) ?? lines[0] ?? '';
  const kind = /^(Assertion)?Error$/.test(error.name ?? 'Error') ? '' : `${error.name}: `;
  return { advice: withChapter(kind + first) };
}

/** Adds where to read on, if the message does not say it. */
function withChapter(message: string): string {
  if (!place.test(message)) {
    return `${message}${/[.?!]$/.test(message) ? '' : '.'} Chapter ${chapter}, The code`;
  }
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  return message.replace(/^[a-z]+(?=[ :])/, capital); // but not app.ts
}

const place = /\bchapter (\d+), (?:the (first|second|third) hint|"([^"]+)"|(Try it|The code))/i;

/** @returns the line in TUTORIAL.md that a message names; most terminals open it when you click it. */
function whereToRead(advice: string): string | undefined {
  const [, number, hint, quoted, title] = place.exec(advice) ?? [];
  const wanted = hint ? `<summary>A ${hint} hint</summary>` : (quoted ?? title);
  return (
    wanted &&
    lineOf(
      wanted,
      text.findIndex((line) => line.startsWith(`## ${number}. `)),
    )
  );
}

/** @returns the first line after another that is a heading or a hint. */
function lineOf(wanted: string, after = 0): string | undefined {
  const isWanted = (line: string, index: number) =>
    index > after && line.replace(/^#+ /, '').toLowerCase() === wanted.toLowerCase();
  const index = text.findIndex(isWanted);
  return index < 0 ? undefined : `TUTORIAL.md:${index + 1}`;
}

/** What `seen` leaves out: lines that were expected begin with -, and those that were received with +. */
function differenceOf({ diff }: TestError): string {
  const lines = stripVTControlCharacters(String(diff ?? '')).split('\n');
  return shorten(lines.filter((line) => /^[-+] (?!Expected$|Received$)/.test(line)).join('\n'));
}

function findFrame(error: TestError, isWanted: (file: string) => boolean): string | undefined {
  for (const { file, line, column } of error.stacks ?? []) {
    const path = relative(root, file).replaceAll('\\', '/');
    if (isWanted(path)) return `${path}:${line}:${column}`;
  }
  return undefined;
}

/** At most six lines, without the frames of stacks. */
function shorten(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() && !/^\s+at /.test(line));
  const more = lines.length > 6 ? ['…'] : [];
  return [...lines.slice(0, 6), ...more].join(`\n${' '.repeat(15)}`);
}

/** @returns lines such as `steps/practice/app.ts:26:5  Cannot find name 'session'.` */
async function findTypeErrors(): Promise<string[]> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await run(process.execPath, [tsc, '--noEmit', '-p', folder]);
  const errors = stdout.matchAll(/^(\S.*)\((\d+),(\d+)\): error TS\d+: (.+)$/gm);
  return [...errors].map(
    ([, file, line, column, message]) => `${file}:${line}:${column}  ${message}`,
  );
}

function showTypeErrors(errors: string[]): void {
  print(`\n${style('red', '✗')} ${style('bold', 'The types do not fit')}\n`);
  for (const error of errors.slice(0, 3)) print(`    ${error}`);
  if (errors.length > 3)
    print(`    … and ${errors.length - 3} more: npx tsc --noEmit -p steps/practice`);
}

function showNext(passed: number): void {
  const next = stepNames[stepNames.indexOf(step) + 1];
  const commands = [
    [`npm run diff practice ${chapter}`, 'compares your code with ours'],
    ['npm run step practice', 'runs your server'],
    [whereToRead(`chapter ${chapter}, "Your turn"`), 'has experiments for you, and a recap'],
    next
      ? [`npm run practice ${numberOf(next)}`, 'begins the next practice, and keeps this one']
      : [lineOf('Taking it into your own application'), 'says how to use it'],
  ];
  print(
    `\n${style('green', '✓')} ${style('bold', `Done: all ${passed} tests pass, and the types fit.`)}\n`,
  );
  for (const [what = '', why] of commands) print(`    ${what.padEnd(25)} ${why}`);
  print('');
}

function style(format: 'red' | 'green' | 'bold', text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(format, text) : text;
}

function print(text: string): void {
  console.log(text);
}
