import { postgresOf } from '#steps/10-many-servers/postgres.ts';

/**
 * Uses the PostgreSQL of step 10: that of DATABASE_URL, or the step's own. The step's own is started if necessary,
 * and stops when the work is done, unless a server uses it.
 *
 * @param work gets its address.
 */
export async function usePostgres(work: (url: string) => Promise<void>): Promise<void> {
  const { url, stop } = await postgresOf({ DATABASE_URL: process.env.DATABASE_URL });
  try {
    await work(url);
  } finally {
    await stop();
  }
}
