import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';
import { readStep } from '#steps/shared/step.ts';
import { run } from './processes.ts';
import { numberOf, practice, root, stepFolder } from './steps.ts';

/** Adds to what vitest reports: a hint for the first test that fails, or what to do when none does. */
export default class PracticeReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    // Files run at the same time, so two tests may fail. The step's own tests know more than those of every login.
    const isOwn = ({ moduleId }: TestModule) => moduleId.startsWith(stepFolder(practice));
    const ordered = [...modules.filter(isOwn), ...modules.filter((module) => !isOwn(module))];
    const broken = ordered.find((module) => module.errors().length > 0);
    const [failed] = broken
      ? [broken]
      : ordered.flatMap(({ children }) => [
          ...children.allTests('failed'),
          ...[...children.allSuites()].filter((group) => group.errors().length > 0), // it could not begin
        ]);
    const step = readStep(stepFolder(practice)).practises ?? '';
    if (failed) return console.log(`\nHint: ${hintFor(failed)}\nRead: steps/${step}/README.md\n`);
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const types = await run(process.execPath, [tsc, '--noEmit', '-p', stepFolder(practice)]);
    if (types.code === 0)
      return console.log(
        `\nDone. npm run diff practice ${numberOf(step)} compares your code with ours.\n`,
      );
    console.log(`\nEvery test passes, but the types do not fit:\n${types.stdout}`);
    process.exitCode = 1;
  }
}

/** @returns the hint with the name of the test, or of a group that it is in, or else what to do first. */
function hintFor(failed: TestCase | TestSuite | TestModule): string {
  const markdown = readFileSync(join(stepFolder(practice), 'hints.md'), 'utf8');
  const [first = '', ...sections] = markdown.replace(/^# .+\n/, '').split(/^## (.+)\n/m);
  let task: TestCase | TestSuite | TestModule = failed;
  for (; task.type !== 'module'; task = task.parent) {
    const at = sections.indexOf(task.name); // each name is followed by its hint
    if (at >= 0) return sections[at + 1]?.trim() ?? '';
  }
  return first.trim();
}
