import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UsageError } from './command.ts';

/** The folder that holds the whole tutorial. */
export const root = resolve(import.meta.dirname, '..');

/** The names of all steps, in order: the folders in `steps/` that begin with a number. */
export const stepNames: string[] = readdirSync(join(root, 'steps'))
  .filter((name) => /^\d\d-/.test(name))
  .sort();

/** The reader's own folder in `steps/`, which `npm run practice` creates. */
export const practice = 'practice';

/**
 * @returns the step that `3`, `03` and `03-knex-sqlite` all name, or the reader's own, `practice`.
 * @throws {UsageError} when there is no such step.
 */
export function findStep(name: string | undefined): string {
  if (name === practice) {
    if (existsSync(stepFolder(practice))) return practice;
    throw new UsageError(
      'There is no practice yet. Begin one, for example with step 3: npm run practice 3.',
    );
  }
  const step = stepNames.find((step) => step === name || numberOf(step) === Number(name));
  if (step) return step;
  const problem = name === undefined ? 'Which step?' : `There is no step "${name}".`;
  throw new UsageError(
    `${problem} Give a number from 1 to ${stepNames.length}, or a name: ${stepNames.join(', ')}.`,
  );
}

/** @returns the folder of a step. */
export function stepFolder(step: string): string {
  return join(root, 'steps', step);
}

/** @returns 3 for `03-knex-sqlite`. */
export function numberOf(step: string): number {
  return Number(step.slice(0, 2));
}
