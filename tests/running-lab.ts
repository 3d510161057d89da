import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StepState } from '#lab/step-runner.ts';
import { ServerProcess } from '#tools/server-process.ts';

/** Starts the lab as `npm start` does, and waits until it listens. Its steps may still be starting. */
export function startLab(): Promise<ServerProcess> {
  return ServerProcess.startScript('lab/main.ts', {});
}

/**
 * Reads what the lab tells its page.
 *
 * @param until waits until this holds; without it, the first state will do.
 * @returns the state of every step, in order.
 */
export async function stateOf(
  { url }: ServerProcess,
  until: (states: StepState[]) => boolean = () => true,
): Promise<StepState[]> {
  const { body } = await fetch(`${url}/lab/events`);
  let received = '';
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const messages = (received + text).split('\n\n');
    received = messages.pop() ?? '';
    const states = messages.map((message): StepState[] =>
      JSON.parse(/^data: (.*)$/m.exec(message)?.[1] ?? ''),
    );
    const found = states.find(until);
    if (found) return found; // which ends the request
  }
  throw new Error('The lab ended.');
}

/** @returns whether every step runs. */
export function areUp(states: StepState[]): boolean {
  return states.every(({ phase }) => phase === 'up');
}

/** @returns the processes of the steps that run. */
export async function processesOf(lab: ServerProcess): Promise<number[]> {
  return (await stateOf(lab)).flatMap(({ processId }) => processId ?? []);
}

/** @returns the folders that hold the databases of a lab: one while it runs, none when it has ended. */
export async function foldersOf({ processId }: ServerProcess): Promise<string[]> {
  const names = await readdir(tmpdir());
  const own = names.filter((name) => name.startsWith(`keep-users-logged-in-lab-${processId}-`));
  return own.map((name) => join(tmpdir(), name));
}
