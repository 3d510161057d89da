import { DefaultReporter, type TestCase, type TestModule, type TestSuite } from 'vitest/node';
import { findChromium } from './chromium.ts';

/** Why the store contract skips a test of a store, by what is missing. */
const needs: Record<string, string> = {
  breakStorage: 'these stores have no storage that could fail',
  corrupt: 'a test cannot corrupt what these stores hold',
  writes: 'a test cannot count what these stores write',
};

/**
 * When one file runs, names every test: npm test 03 reads as the summary of its chapter. When several run, prints a line
 * for each, and the tests that failed. Says at the end why tests were skipped.
 */
export default class TestReporter extends DefaultReporter {
  override onTestRunStart(...run: Parameters<DefaultReporter['onTestRunStart']>): void {
    this.renderSucceed = run[0].length === 1;
    super.onTestRunStart(...run);
  }

  protected override printTestCase(module: ReturnType<TestModule['state']>, test: TestCase): void {
    const { state } = test.result();
    if (this.renderSucceed ? !this.#isLeftOut(state) : state === 'failed')
      super.printTestCase(module, test);
  }

  protected override printTestSuite(suite: TestSuite): void {
    if (!this.#isLeftOut(suite.state())) super.printTestSuite(suite);
  }

  override onTestRunEnd(...run: Parameters<DefaultReporter['onTestRunEnd']>): void {
    super.onTestRunEnd(...run);
    const tests = run[0].flatMap((module) => [...module.children.allTests()]);
    const notes = [...this.#skipped(tests), ...(this.renderSucceed ? departures(tests) : [])];
    if (notes.length > 0) this.log(`${notes.map((note) => `  ${note}`).join('\n')}\n`);
  }

  /** Whether a test or a suite was not asked for: npm test 03 -- -t fixation. */
  #isLeftOut(state: string): boolean {
    return state === 'skipped' && this.ctx.config.testNamePattern !== undefined;
  }

  /** How many tests were skipped in which file, and why. */
  #skipped(tests: TestCase[]): string[] {
    if (this.ctx.config.testNamePattern) return [];
    const counts = new Map<string, number>();
    for (const test of tests.filter((test) => test.result().state === 'skipped')) {
      const where = `${test.module.relativeModuleId}: ${why(test)}`;
      counts.set(where, (counts.get(where) ?? 0) + 1);
    }
    return [...counts].map(([where, count]) => `${count} skipped in ${where}.`);
  }
}

function why(test: TestCase): string {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  const [, need = ''] = /^needs (\w+)\(\)/.exec(note ?? '') ?? [];
  if (need) return needs[need] ?? `these stores have no ${need}()`;
  if (test.fullName.includes('in a real browser') && !findChromium())
    return 'no Chrome or Chromium was found';
  return note ?? 'not for this step, or not for this machine';
}

/** A test of what a store is known to do wrong passes while it does. */
function departures(tests: TestCase[]): string[] {
  const { length } = tests.filter(({ name }) => name.startsWith('known departure: '));
  if (length === 0) return [];
  return [
    `${length} named "known departure": a store breaks this promise, and the test passes as long as it does.`,
  ];
}
