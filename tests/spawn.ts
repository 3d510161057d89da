import { onTestFinished } from 'vitest';
import { ServerProcess } from '#tools/server-process.ts';
import { environmentOf } from './temporary.ts';

/** For `preload`: the server prints that it closes its database. */
export const probe = 'tests/lifecycle-probe.ts';

/** Starts the real server of a step on a new database. Both are gone when the test has finished. */
export async function startServer(
  step: string,
  environment: NodeJS.ProcessEnv = {},
  preload: string[] = [],
): Promise<ServerProcess> {
  const database = await environmentOf(step);
  const server = await ServerProcess.start(step, { ...database, ...environment }, { preload });
  onTestFinished(async () => {
    await server.end('SIGKILL');
  });
  return server;
}
