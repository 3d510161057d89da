import { once } from 'node:events';
import { createServer } from 'node:http';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Express, Request } from 'express';
import type { Store } from 'express-session';
import type { Knex } from 'knex';
import { vi } from 'vitest';
import { fileOf, openDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { closeServer, urlOf } from '#steps/shared/serve.ts';
import { Browser } from '#tools/browser.ts';
import type { TestDatabase } from './postgres.ts';
import { makeTestDatabase } from './temporary.ts';

/** What every step exports: builds its app from the parts it needs. */
export type CreateApp = (parts: { knex: Knex; users: Users; secret: string }) => Express;

/** A step that opens its database differently. */
export interface CreateAppAndDatabase {
  createApp: CreateApp;
  openDatabase: (url: string) => Promise<Knex>;
  /** The kind of the database, if it is not SQLite. */
  store?: 'postgresql';
}

/** What the tests need to run a step. */
export type Step = CreateApp | CreateAppAndDatabase;

/**
 * A step that runs inside the test, on a temporary database. A restart closes the server, the store and
 * the database, and builds all of them again on the same data, as a new process would.
 */
export class RunningStep {
  readonly database: TestDatabase;
  /** What signs the cookies. */
  secret = 'a secret for tests';
  readonly #step: CreateAppAndDatabase;
  readonly #databaseUrl: string;
  readonly #browsers: Browser[] = [];
  #running: Awaited<ReturnType<typeof run>> | undefined;

  private constructor(step: CreateAppAndDatabase, database: TestDatabase, databaseUrl?: string) {
    this.#step = step;
    this.database = database;
    this.#databaseUrl = databaseUrl ?? database.url;
  }

  /** Starts a step on a new database. The caller calls `dispose`. */
  static async start(step: Step, options: { databaseUrl?: string } = {}) {
    const parts: CreateAppAndDatabase =
      typeof step === 'function' ? { createApp: step, openDatabase } : step;
    if (typeof parts?.createApp !== 'function') {
      throw new Error('app.ts exports no function createApp: chapter 1, The code');
    }
    const database = await makeTestDatabase(parts.store);
    const running = new RunningStep(parts, database, options.databaseUrl);
    await running.#start();
    return running;
  }

  /** Stops the step for good, and deletes its database. */
  async dispose(): Promise<void> {
    const { unanswered } = this.#running?.seen ?? {};
    if (unanswered?.size) console.error(`Never answered: ${[...unanswered].join(', ')}.`);
    vi.useRealTimers(); // closing waits for timers
    await this.stop().finally(this.database.remove);
  }

  /** The database file of a step on SQLite. */
  get databaseFile(): string {
    return fileOf(this.database.url);
  }

  get url(): string {
    return urlOf(this.#parts.server);
  }

  get knex(): Knex {
    return this.#parts.knex;
  }

  get users(): Users {
    return this.#parts.users;
  }

  /** The store that the step made for itself, known once the first request went through it. */
  get store(): Store {
    const { store } = this.#parts.seen;
    if (!store) throw new Error('No request has met the session middleware yet.');
    return store;
  }

  /** The last request that the step answered, as Express sees it. */
  get lastRequest(): Request | undefined {
    return this.#parts.seen.lastRequest;
  }

  /** Opens a browser at this step. It stays with the step through restarts, and keeps its cookies. */
  browser(): Browser {
    const browser = new Browser(this.url);
    this.#browsers.push(browser);
    return browser;
  }

  /**
   * Stops the step and starts it again.
   *
   * @param changes.secret the secret from now on; the same as before when it is missing.
   * @param changes.meanwhile runs while the step is down.
   */
  async restart(changes: { secret?: string; meanwhile?: () => Promise<void> } = {}): Promise<void> {
    await this.stop();
    await changes.meanwhile?.();
    this.secret = changes.secret ?? this.secret;
    await this.#start();
    for (const browser of this.#browsers) browser.moveTo(this.url);
  }

  /** Closes the server, the store and the database, in this order. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    const { server, seen, knex } = this.#running;
    this.#running = undefined;
    await closeServer(server);
    if (seen.store) await closeStore(seen.store);
    await knex.destroy();
  }

  async #start(): Promise<void> {
    this.#running = await run(this.#step, this.#databaseUrl, this.secret);
  }

  get #parts() {
    if (!this.#running) throw new Error('The step is not running.');
    return this.#running;
  }
}

/** Builds a step and listens. @returns its parts, and what its requests have shown of it */
async function run(step: CreateAppAndDatabase, databaseUrl: string, secret: string) {
  const knex = await step.openDatabase(databaseUrl);
  const users = new Users(knex, { bcryptCost: 4 });
  const app = step.createApp({ knex, users, secret });
  const seen: { lastRequest?: Request; store?: Store; unanswered: Set<string> } = {
    unanswered: new Set(),
  };
  const server = createServer((req, res) => {
    const what = `${req.method} ${req.url}`;
    seen.unanswered.add(what);
    res.once('close', () => seen.unanswered.delete(what));
    res.once('finish', () => seen.unanswered.delete(what));
    // Express and express-session extend each request, so a test can look inside the step although
    // the step exports nothing for tests.
    res.once('prefinish', () => {
      if (!isExpress(req)) return;
      seen.lastRequest = req;
      seen.store ??= req.sessionStore;
    });
    app(req, res);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { knex, users, server, seen };
}

function isExpress(req: object): req is Request {
  return 'app' in req;
}

/** Closes a store, or stops its timer, which would outlive the database and log errors. */
async function closeStore(store: Store): Promise<void> {
  if ('close' in store && typeof store.close === 'function') return store.close();
  if (!(store instanceof ConnectSessionKnexStore)) return;
  await store.length(() => {}); // waits for the first clean-up, because there is only one connection
  store.options.cleanupInterval = 0;
  clearTimeout(store.nextDbCleanup);
}
