import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from 'express-session';
import type { Knex } from 'knex';
import { onTestFinished } from 'vitest';
import type { SessionStore } from '#steps/05-failing-database/store.ts';
import { readStep, type Step } from '#steps/shared/step.ts';
import { isPostgres } from '#tools/databases.ts';
import { stepFolder, stepNames } from '#tools/steps.ts';
import { type RunningStep, start } from './step.ts';
import { settled, temporaryEnvironment } from './temporary.ts';

/** The steps to test: all of them, or only the one that STEP names, as `npm test 03` and `npm run practice 3` do. */
export const steps = process.env.STEP ? [process.env.STEP] : stepNames;

/** Those that have a store of their own. */
export const stepsWithStore = steps.filter((name) => stepOf(name) >= '05');

/** @returns the step that a folder is about: its own name, except for the reader's folder, `practice`. */
export function stepOf(name: string): string {
  return readStep(stepFolder(name)).practises ?? name;
}

/** @returns the kind of the step's database. */
export function databaseOf(name: string): Exclude<Step['store'], 'memory'> {
  return readStep(stepFolder(name)).store === 'postgresql' ? 'postgresql' : 'sqlite';
}

/**
 * Starts a step by its name, put together from what its folder exports: `createApp`, and from step 05 on
 * `SessionStore`, `Users` and `openDatabase`. It ends with the test.
 */
export async function startStep(name: string): Promise<RunningStep> {
  const { createApp } = await load(name, 'app.ts');
  const { SessionStore } = await load(name, 'store.ts');
  const { openDatabase } = await load(name, 'database.ts');
  const { Users } = await load(name, 'users.ts');
  const own = { SessionStore, Users, openDatabase };
  if (databaseOf(name) === 'sqlite') return start(createApp, own);
  const { DATABASE_URL: databaseUrl } = await temporaryEnvironment('postgresql');
  return start(createApp, { ...own, databaseUrl });
}

/** A store of this tutorial: its methods also return a promise. */
export type OwnStore = Pick<SessionStore, 'get' | 'set' | 'close'> & Store;

interface StoreOptions {
  /** By default an hour; in milliseconds. */
  cleanupInterval?: number;
  /** Opens the database, if that is not the step's own. */
  openDatabase?(url: string): Promise<Knex>;
}

/** Opens the store of a step on an empty database. A cookie without a date lives for a day. Both end with the test. */
export async function openStore(name: string, options: StoreOptions = {}) {
  const { openDatabase } = await load(name, 'database.ts');
  const { DATABASE_URL: url } = await temporaryEnvironment(databaseOf(name));
  const knex: Knex = await (options.openDatabase ?? openDatabase)(url);
  onTestFinished(() => knex.destroy());
  if (!isPostgres(knex)) await knex.raw('PRAGMA synchronous = OFF'); // no test cuts the power
  const store = await makeStore(name, knex, options);
  return { knex, store, url };
}

/**
 * Makes another store of a step on an open database. It ends with the test.
 *
 * @param wait for its first clean-up, which it begins with.
 */
export async function makeStore(
  name: string,
  knex: Knex,
  { cleanupInterval }: StoreOptions = {},
  wait: (knex: Knex) => Promise<void> = settled,
) {
  const { SessionStore } = await load(name, 'store.ts');
  const store: OwnStore = new SessionStore({ knex, cleanupInterval, idleTimeout: DAY });
  onTestFinished(() => store.close());
  await wait(knex);
  return store;
}

const DAY = 24 * 60 * 60 * 1000; // in milliseconds

/** Imports a file of a step, or of the nearest earlier step that has it. */
export async function load(name: string, file: string) {
  const earlier = stepNames.filter((step) => step < stepOf(name)).reverse();
  const path = [name, ...earlier].map((step) => join(stepFolder(step), file)).find(existsSync);
  return path ? import(path) : {};
}
