import { readFile, stat, writeFile } from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SessionStore } from '#steps/08-revoke-sessions/store.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { start } from '#tests/step.ts';
import { temporaryFolder } from '#tests/temporary.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { Users } from './users.ts';

describe('an attacker who gets at the database file', () => {
  test('cannot open it from another account on the machine', async () => {
    const file = `${await temporaryFolder()}/test.sqlite3`;
    await open(file);
    for (const name of [file, `${file}-wal`]) expect(await modeOf(name)).toBe('600');
  });

  test('cannot open one of an earlier step either', async () => {
    const file = `${await temporaryFolder()}/test.sqlite3`;
    for (const name of [file, `${file}-wal`]) await writeFile(name, '', { mode: 0o644 });
    await open(file);
    for (const name of [file, `${file}-wal`]) expect(await modeOf(name)).toBe('600');
  });

  test('but a file that is no database keeps its permissions', async () => {
    const file = `${await temporaryFolder()}/notes.txt`;
    await writeFile(file, 'not a database '.repeat(100), { mode: 0o644 });
    await expect(openDatabase(`file:${file}`)).rejects.toThrow(/^Cannot open the database/);
    expect(await modeOf(file)).toBe('644');
  });

  test('does not find what was deleted from it', async () => {
    const step = await start(createApp, { openDatabase, SessionStore, Users });
    const { password_hash = '' } = (await step.parts.users.find('demo')) ?? {};
    await step.browser.logIn();
    await step.browser.delete('/api/account', { password: demo.password });
    await step.parts.knex.raw('PRAGMA wal_checkpoint(TRUNCATE)');
    expect((await readFile(step.file)).includes(password_hash)).toBe(false);
  });
});

/** Opens the database, and writes to it. */
async function open(file: string): Promise<void> {
  const knex = await openDatabase(`file:${file}`);
  onTestFinished(() => knex.destroy());
  await knex('attempts').insert({ key: 'any', hits: 1, ends: 1 });
}

/** @returns the permissions of a file, as `chmod` takes them */
async function modeOf(file: string): Promise<string> {
  return ((await stat(file)).mode & 0o777).toString(8);
}
