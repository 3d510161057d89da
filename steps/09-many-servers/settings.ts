import { z } from 'zod';
import { SettingsError } from '#steps/shared/settings.ts';

const SERVERS = 'SERVERS must be a number of servers, from 1 to 64.';
const servers = z.coerce.number(SERVERS).int(SERVERS).min(1, SERVERS).max(64, SERVERS);

/** @returns how many servers to run. @throws {SettingsError} when SERVERS is not such a number. */
export function readServers({ SERVERS: given }: NodeJS.ProcessEnv): number {
  const { data, error } = servers.safeParse(given || 2);
  if (data === undefined) throw new SettingsError(error?.issues[0]?.message);
  return data;
}
