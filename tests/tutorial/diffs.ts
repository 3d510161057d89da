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
    if (!steps) {
      // The change of an exercise is applied with the transcripts, if it is written as one.
      if (isChange(lines)) continue;
      const message =
        'Expected is "$ npm run diff" and two steps, or "--- path", "+++ path" and "@@".';
      problems.push({ file, line, message });
      continue;
    }
    const printed = await diff(steps);
    const wrong = mismatch(lines.slice(1), printed, isSame);
    if (wrong) problems.push({ file, line: line + 1 + wrong.index, message: wrong.message });
  }
  return problems;
}

function isChange([first = '', second = '', third]: string[]): boolean {
  return first.startsWith('--- ') && second === first.replace('---', '+++') && third === '@@';
}

/** Editors take the space away that git prints in an empty line. */
function isSame(one: string, other: string): boolean {
  return one.trimEnd() === other.trimEnd();
}

const known = new Map<string, Promise<string[]>>();

/** What the command prints; it runs once for each pair of steps. */
function diff(steps: string[]): Promise<string[]> {
  const key = steps.join(' ');
  const printed = known.get(key) ?? run(steps);
  known.set(key, printed);
  return printed;
}

async function run(steps: string[]): Promise<string[]> {
  const args = ['--import', 'tsx/esm', 'tools/diff.ts', ...steps];
  const env = { ...process.env, NO_COLOR: '1' };
  const printed = await promisify(execFile)(process.execPath, args, { cwd: root, env }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${printed.stdout}${printed.stderr}`.trimEnd().split('\n');
}
