import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '#database/postgres.ts';
import { forTests } from '#tools/databases.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';

/** Starts one PostgreSQL for all tests. Where it cannot start, only the tests that need it fail. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { path, remove } = await makeTemporaryFolder();
  const clocks = join(path, 'clocks');
  await mkdir(clocks);
  try {
    const { url, stop } = await startPostgres(path, forTests);
    project.provide('postgres', { url, clocks });
    return async () => {
      await stop();
      await remove();
    };
  } catch (error) {
    project.provide('postgres', { problem: error instanceof Error ? error.message : 'Unknown' });
    return remove;
  }
}
