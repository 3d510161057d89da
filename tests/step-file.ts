import { join } from 'node:path';
import createKnex from 'knex';
import { onTestFinished, vi } from 'vitest';
import type { serve } from '#steps/shared/serve.ts';
import { readStep } from '#steps/shared/step.ts';
import { temporaryEnvironment } from './temporary.ts';

/**
 * Starts a step as its server.ts does, inside the test, on a new database: without a port, and without signals.
 * It ends with the test.
 *
 * @param SessionStore the class of its store, if it has one, to see when it is closed.
 * @returns what server.ts passes to `serve`, a list that fills with what was closed, in order, and what all
 *   instances of Knex for its kind of database have in common, to spy on.
 */
export async function startServerFile(folder: string, SessionStore?: object) {
  const closed: string[] = [];
  const watch = (what: string, prototype: Methods, method: string) => {
    const original = prototype[method];
    vi.spyOn(prototype, method).mockImplementation(async function (this: unknown, ...args) {
      await original?.apply(this, args);
      closed.push(what);
    });
  };
  if (SessionStore) watch('store', Reflect.get(SessionStore, 'prototype'), 'close');
  const { store } = readStep(folder);
  const client = store === 'postgresql' ? 'pg' : 'sqlite3';
  const driver = createKnex({ client, useNullAsDefault: true }).client.constructor.prototype;
  watch('database', driver, 'destroy');

  const start = await importServer(folder);
  const { DATABASE_URL } = await temporaryEnvironment(store);
  vi.stubEnv('DATABASE_URL', DATABASE_URL); // where step 10 looks
  const settings = { port: 0, host: '', secret: 'for tests', production: false };
  const started = await start({ ...settings, databaseUrl: DATABASE_URL });
  onTestFinished(started.close);
  closed.length = 0; // without what was only opened to start
  return { ...started, secret: settings.secret, databaseUrl: DATABASE_URL, closed, driver };
}

type Methods = Record<string, (...args: unknown[]) => unknown>;

type Start = Parameters<typeof serve>[1];

/** @returns what a server.ts passes to `serve` */
async function importServer(folder: string): Promise<Start> {
  starts[folder] ??= new Promise((resolve) => {
    const serve = async (_folder: string, start: Start) => resolve(start);
    vi.doMock('#steps/shared/serve.ts', () => ({ serve }));
  });
  await import(join(folder, 'server.ts'));
  return starts[folder];
}

const starts: Record<string, Promise<Start>> = {}; // a module runs only once
