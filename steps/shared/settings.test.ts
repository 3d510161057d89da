import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { root } from '#tools/steps.ts';
import { developmentSecret, readSettings, SettingsError } from './settings.ts';

const step = '03-knex-sqlite';
const longSecret = 'x'.repeat(32);

describe('the environment of a server', () => {
  test('has a default for everything in development; an empty variable counts as missing', () => {
    const empty = { PORT: '', HOST: '', DATABASE_URL: '', SESSION_SECRET: '', NODE_ENV: '' };
    const defaults = {
      port: 3000,
      host: '127.0.0.1',
      databaseUrl: `file:${join(root, 'database/03-knex-sqlite.sqlite3')}`,
      secret: developmentSecret, // a new one at each start would log everybody out, whatever the store
      production: false,
    };
    expect(readSettings(step, {})).toEqual(defaults);
    expect(readSettings(step, empty)).toEqual(defaults);
  });

  test('wins over the defaults', () => {
    const given = { PORT: '0', HOST: '::1', DATABASE_URL: 'file:x', SESSION_SECRET: longSecret };
    const settings = readSettings(step, { ...given, NODE_ENV: 'production' });
    expect(settings).toEqual({
      port: 0,
      host: '::1',
      databaseUrl: 'file:x',
      secret: longSecret,
      production: true,
    });
  });

  test.each(['development', 'test'])('is not production with NODE_ENV=%s', (NODE_ENV) => {
    expect(readSettings(step, { NODE_ENV }).production).toBe(false);
  });

  test.each(['0', '65535'])('may choose port %s', (PORT) => {
    expect(() => readSettings(step, { PORT })).not.toThrow();
  });

  test.each<NodeJS.ProcessEnv>([
    { PORT: '-1' },
    { PORT: '65536' },
    { PORT: '3000.5' },
    { PORT: '3000a' },
    { PORT: 'Infinity' },
    { NODE_ENV: 'prod' },
    { NODE_ENV: 'Production' },
    { NODE_ENV: 'staging' },
  ])('is refused in a sentence with %o', (variables) => {
    const [name = ''] = Object.keys(variables);
    const read = () => readSettings(step, variables);
    expect(read, `${JSON.stringify(variables)} was accepted`).toThrow(SettingsError);
    expect(read).toThrow(new RegExp(`^${name} .*\\.$`));
  });

  test.each([
    ['no secret', {}],
    ['a secret of 31 characters', { SESSION_SECRET: 'x'.repeat(31) }],
    ['the secret that is public here', { SESSION_SECRET: developmentSecret }],
  ])('is refused in production with %s', (_what, variables) => {
    expect(
      () => readSettings(step, { ...variables, NODE_ENV: 'production' }),
      'anybody could forge a session cookie of this production server',
    ).toThrow(/set SESSION_SECRET to a random string of at least 32 characters/);
  });
});
