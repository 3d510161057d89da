import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { root } from '#tools/steps.ts';
import { mismatch } from './match.ts';
import type { Problem, Text } from './text.ts';

/** Holds each block that begins with `$ npm run diff 2 3` to what that command prints. */
export async function checkDiffs({ file, blocks }: Text): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { lines, line } of blocks.filter(({ language }) => language === 'diff')) {
    const steps = /^\$ npm run diff (\S+) (\S+)$/.exec(lines[0] ?? '')?.slice(1);
    if (!steps) continue; // the change of an exercise: it is applied with the transcripts
    const args = ['--import', 'tsx/esm', 'tools/diff.ts', ...steps];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
    const wrong = mismatch(lines.slice(1), stdout.trimEnd().split('\n'));
    if (wrong) problems.push({ file, line: line + 1 + wrong.index, message: wrong.message });
  }
  return problems;
}
