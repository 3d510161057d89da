import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UsageError } from './command.ts';

/** The folder that holds the whole tutorial. */
export const root = resolve(import.meta.dirname, '..');

/** The names of all steps, in their order: the folders of `steps/` that begin with a number. */
export const steps: string[] = readdirSync(join(root, 'steps'))
  .filter((name) => /^\d\d-/.test(name))
  .sort();

/** @returns the step that `3`, `03` and `03-knex-sqlite` all name. @throws {UsageError} for any other. */
export function findStep(name: string | undefined): string {
  const step = steps.find((step) => step === name || Number(step.slice(0, 2)) === Number(name));
  if (step) return step;
  const wish = name === undefined ? 'Which step?' : `There is no step "${name}".`;
  throw new UsageError(`${wish} There are ${steps.join(', ')}; give a number or a name.`);
}

/** @returns the folder of a step. */
export function stepFolder(step: string): string {
  return join(root, 'steps', step);
}
