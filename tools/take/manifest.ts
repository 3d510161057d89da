import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { stepFolder } from '../steps.ts';

/** Some code that an application can use without the rest of the step. */
const code = z.object({
  /** What the application imports, by the file that exports it, seen from the step's folder. */
  exports: z.record(z.string(), z.string()),
  /** Files that no import leads to, such as a test. */
  files: z.array(z.string()).default([]),
  /** The lines that use it. */
  lines: z.array(z.string()),
});

const manifest = z.object({
  take: code
    .extend({
      /** The columns of the sessions table that the store uses. */
      columns: z.array(z.string()),
      /** What can be used alone. */
      parts: z.record(z.string(), code).default({}),
    })
    .optional(),
});

export type Code = z.infer<typeof code>;

/** @returns what `npm run take` copies of a step into another project, by its `step.json`, or undefined if nothing. */
export function readTake(step: string) {
  const text = readFileSync(join(stepFolder(step), 'step.json'), 'utf8');
  return manifest.parse(JSON.parse(text)).take;
}
