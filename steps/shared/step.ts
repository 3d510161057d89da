import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const step = z.object({
  title: z.string(),
  /** What the step teaches, in half a sentence. */
  lesson: z.string(),
  /** The files that you write when you practise the step, if it gives you the rest. */
  toWrite: z.array(z.string()).optional(),
  /** The step that the reader's own folder, `practice`, is about. */
  practises: z.string().optional(),
  /** Where the step keeps its sessions. */
  store: z.enum(['memory', 'sqlite', 'postgresql']),
  /** Its row in the table that `npm run compare` prints, by the keys of `tools/outcomes.ts`. */
  outcomes: z.record(z.string(), z.string()),
});

/** A step's own data, from its `step.json`. */
export type Step = z.infer<typeof step>;

/**
 * Reads the `step.json` of a step.
 *
 * @param folder the step's folder.
 * @throws when the file is missing or invalid.
 */
export function readStep(folder: string): Step {
  return step.parse(JSON.parse(readFileSync(join(folder, 'step.json'), 'utf8')));
}
