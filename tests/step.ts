import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Express, Request } from 'express';
import { MemoryStore, type Store } from 'express-session';
import type { Knex } from 'knex';
import { onTestFinished, vi } from 'vitest';
import { openDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { Browser } from '#tools/browser.ts';

/** What each step's app.ts exports. Steps 01 to 04 make a store themselves, and ignore this one. */
export type CreateApp = (parts: Parts) => Express;

interface Parts<S = Store, U = Users> {
  knex: Knex;
  store: S;
  users: U;
  secret: string;
}

/** What a step brings itself: how it opens its database, and from step 05 on its store and its users. */
interface Options<S = Store, U = Users> {
  openDatabase?: (url: string) => Promise<Knex>;
  SessionStore?: new (options: { knex: Knex }) => S & Store;
  Users?: new (knex: Knex, options: { bcryptCost: number }) => U & Users;
  /** By default, an SQLite file that is deleted when the test has finished. */
  databaseUrl?: string;
}

/** Starts a step in this process, with the account `demo`, and opens a browser at it. Both end with the test. */
export function start<S, U>(
  createApp: (parts: Parts<S, U>) => Express,
  options?: Options<S, U>,
): Promise<RunningStep>;
export async function start(createApp: CreateApp, options: Options = {}): Promise<RunningStep> {
  const folder = await mkdtemp(join(tmpdir(), 'step-'));
  const step = new RunningStep(createApp, `${folder}/test.sqlite3`, options);
  onTestFinished(async () => {
    vi.useRealTimers();
    await step.stop();
    await rm(folder, { recursive: true });
  });
  await step.start();
  step.browser = step.openBrowser();
  return step;
}

export class RunningStep {
  browser = new Browser('');
  /** The path of its SQLite file. */
  readonly file: string;
  /** What signs its cookies. */
  secret = 'a secret for tests';
  readonly #createApp: CreateApp;
  readonly #options: Options;
  readonly #browsers: Browser[] = [];
  #parts: Parts | undefined;
  #server: Server | undefined;
  /** The last request, as Express sees it. */
  lastRequest: Request | undefined;

  constructor(createApp: CreateApp, file: string, options: Options) {
    this.#createApp = createApp;
    this.#options = options;
    this.file = file;
  }

  get parts(): Parts {
    if (!this.#parts) throw new Error('The step is not running.');
    return this.#parts;
  }

  get url(): string {
    const address = this.#server?.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  /** The store that the last request used. */
  get store(): Store {
    return Object(this.lastRequest).sessionStore;
  }

  /** Opens another browser. It keeps its cookies when the step restarts. */
  openBrowser(): Browser {
    const browser = new Browser(this.url);
    this.#browsers.push(browser);
    return browser;
  }

  /** Opens the database, makes the store and the app, and listens on any free port. */
  async start(): Promise<void> {
    const { databaseUrl = `file:${this.file}`, SessionStore = MemoryStore } = this.#options;
    const knex = await (this.#options.openDatabase ?? openDatabase)(databaseUrl);
    const users = new (this.#options.Users ?? Users)(knex, { bcryptCost: 4 }); // the lowest cost, to save time
    if (!(await users.find(demo.username))) await users.add(demo);
    this.#parts = { knex, users, store: new SessionStore({ knex }), secret: this.secret };
    const app = this.#createApp(this.#parts);
    this.#server = createServer((req, res) => {
      this.lastRequest = Object(req); // Express adds its own properties to each request
      app(req, res);
    });
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    for (const browser of this.#browsers) browser.moveTo(this.url);
  }

  /** Closes the server, the store and the database, in this order. */
  async stop(): Promise<void> {
    if (!this.#parts || !this.#server) return;
    const { store, knex } = this.#parts;
    this.#server.close();
    this.#server.closeAllConnections();
    if ('close' in store && typeof store.close === 'function') await store.close();
    await settled(knex); // the library's store has no close, and may still be creating its table
    await knex.destroy();
    this.#parts = undefined;
  }

  /** What a deploy does: stops the step, and starts it again on the same database. */
  async restart({ secret = this.secret } = {}): Promise<void> {
    await this.stop();
    this.secret = secret;
    await this.start();
  }
}

/** Waits until a database has done all queries so far, even while the clock is stopped. */
export async function settled({ client: { pool } }: Knex): Promise<void> {
  const isBusy = () => pool.numUsed() + pool.numPendingAcquires() + pool.numPendingCreates() > 0;
  do await new Promise(setImmediate);
  while (isBusy());
}
