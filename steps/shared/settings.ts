import { resolve } from 'node:path';
import { z } from 'zod';

/** What a step's server is told from outside, read from the environment. */
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

/** The environment asks for something that cannot be. Its message is one sentence. */
export class SettingsError extends Error {}

const PORT = 'PORT is a number from 0 (any free port) to 65535.';

const environment = z.object({
  PORT: z.coerce.number(PORT).int(PORT).min(0, PORT).max(65535, PORT).default(3000),
  HOST: z.string().default('127.0.0.1'),
  DATABASE_URL: z.string().optional(),
  SESSION_SECRET: z.string().optional(),
  NODE_ENV: z.string().optional(),
});

// The same for every start: a secret made anew each time would log everybody out, whatever the store.
const developmentSecret = 'only for development: anybody can read it here';

/**
 * Reads the settings of a step from environment variables; an empty one counts as missing.
 *
 * @param step the name of the step's folder: its database is `database/<step>.sqlite3` by default.
 * @throws {SettingsError} when a variable does not fit, or a production server has no secret.
 */
export function readSettings(step: string, variables: NodeJS.ProcessEnv): Settings {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const result = environment.safeParse(given);
  if (!result.success) throw new SettingsError(result.error.issues[0]?.message);
  const { PORT, HOST, DATABASE_URL, SESSION_SECRET, NODE_ENV } = result.data;
  const production = NODE_ENV === 'production';
  if (production && (!SESSION_SECRET || SESSION_SECRET === developmentSecret)) {
    throw new SettingsError(
      'With NODE_ENV=production, set SESSION_SECRET to a long random string, and keep it from one start to the next. ' +
        'This makes one: node -p "crypto.randomBytes(32).toString(\'hex\')"',
    );
  }
  return {
    port: PORT,
    host: HOST,
    databaseUrl: DATABASE_URL ?? defaultDatabaseUrl(step),
    secret: SESSION_SECRET ?? developmentSecret,
    production,
  };
}

/** Each step has a database of its own, so that no step reads the rows of another. */
export function defaultDatabaseUrl(step: string): string {
  return `file:${resolve(import.meta.dirname, '../../database', `${step}.sqlite3`)}`;
}
