import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestProject } from 'vitest/node';
import { makeTemporaryFolder } from '#tools/temporary.ts';

/** Provides a folder for PostgreSQL, which the first test that needs it starts there: see postgres.ts. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { path, remove } = await makeTemporaryFolder();
  project.provide('postgresFolder', path);
  return async () => {
    // By now, the tests have ended, and so it is stopping.
    const deadline = Date.now() + 10_000;
    const isRunning = () => existsSync(join(path, 'data/postmaster.pid'));
    while (isRunning() && Date.now() < deadline) await pause(20);
    await remove();
  };
}
