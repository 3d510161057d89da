import { resolve } from 'node:path';
import { z } from 'zod';

/** The settings of a step's server, read from environment variables. */
export interface Settings {
  /** Where to listen; 0 is any free port. */
  port: number;
  host: string;
  /** The address of the database, for `openDatabase`. */
  databaseUrl: string;
  /** What signs the session cookie. */
  secret: string;
  production: boolean;
}

/** An environment variable is invalid. The message is one sentence. */
export class SettingsError extends Error {}

const PORT = 'PORT must be a number from 0 (any free port) to 65535.';
const NODE_ENV = 'NODE_ENV must be development, test or production, or not set.';
const SESSION_SECRET =
  'With NODE_ENV=production, set SESSION_SECRET to a random string of at least 32 characters, and use the same one at every start. ' +
  'To make one: node -p "crypto.randomBytes(32).toString(\'hex\')"';

// The same at every start: a new secret would log everybody out, whatever the store.
export const developmentSecret = 'only for development: anybody can read it here';

const environment = z
  .object({
    PORT: z.coerce.number(PORT).int(PORT).min(0, PORT).max(65535, PORT).default(3000),
    HOST: z.string().default('127.0.0.1'),
    DATABASE_URL: z.string().optional(),
    SESSION_SECRET: z.string().default(developmentSecret),
    // A typo such as "prod" must not mean development, with its public secret and its demo account.
    NODE_ENV: z.enum(['development', 'test', 'production'], NODE_ENV).optional(),
  })
  .refine(
    ({ NODE_ENV, SESSION_SECRET: secret }) =>
      NODE_ENV !== 'production' || (secret.length >= 32 && secret !== developmentSecret),
    SESSION_SECRET,
  );

/**
 * Reads the settings of a step from environment variables; an empty one counts as missing.
 *
 * @param step the name of the step's folder: its database is `database/<step>.sqlite3` by default.
 * @throws {SettingsError} when a variable is invalid, or the secret of a production server is missing or too short.
 */
export function readSettings(step: string, variables: NodeJS.ProcessEnv): Settings {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const { data, error } = environment.safeParse(given);
  if (!data) throw new SettingsError(error.issues[0]?.message);
  return {
    port: data.PORT,
    host: data.HOST,
    databaseUrl: data.DATABASE_URL ?? defaultDatabaseUrl(step),
    secret: data.SESSION_SECRET,
    production: data.NODE_ENV === 'production',
  };
}

/** Each step has a database of its own, so no step reads the rows of another. */
export function defaultDatabaseUrl(step: string): string {
  return `file:${resolve(import.meta.dirname, '../../database', `${step}.sqlite3`)}`;
}
