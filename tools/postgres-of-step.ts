import { startPostgres } from '#database/postgres.ts';
import { ownPostgresFolder, readSettings } from '#steps/shared/settings.ts';

/** The step on PostgreSQL. */
export const manyServers = '09-many-servers';

/** @returns DATABASE_URL, or nothing if a step is to use a PostgreSQL of its own. */
export function postgresUrl(step: string): string {
  const { DATABASE_URL } = process.env;
  return readSettings(step, { DATABASE_URL }, 'postgresql').databaseUrl;
}

/**
 * Uses the PostgreSQL of a step: that of DATABASE_URL, or the step's own. The step's own is started if necessary,
 * and stopped when the work is done.
 *
 * @param work gets its address.
 */
export async function usePostgres(
  step: string,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const given = postgresUrl(step);
  if (given) return work(given);
  const own = await startPostgres(ownPostgresFolder(step));
  try {
    await work(own.url);
  } finally {
    await own.stop();
  }
}
