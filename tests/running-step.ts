import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Express, Request } from 'express';
import type { Store } from 'express-session';
import type { Knex } from 'knex';
import { vi } from 'vitest';
import { openDatabase } from '#database/open.ts';
import { Users } from '#database/users.ts';
import { address, closeServer } from '#steps/shared/serve.ts';
import { Browser } from './browser.ts';

/** What every step exports: builds its app from the parts it needs. */
export type CreateApp = (parts: { knex: Knex; users: Users; secret: string }) => Express;

/** A step that opens its database in its own way. */
export interface CreateAppAndDatabase {
  createApp: CreateApp;
  openDatabase: (url: string) => Promise<Knex>;
}

/** What the tests need of a step, to run it. */
export type Step = CreateApp | CreateAppAndDatabase;

interface Running {
  knex: Knex;
  users: Users;
  server: Server;
  store: Store | undefined;
}

/**
 * A step that runs inside the test, on a temporary database. A restart closes the server, the store and
 * the database, and builds all of them again on the same file, as a new process would.
 */
export class RunningStep {
  readonly #step: CreateAppAndDatabase;
  readonly #folder: string;
  readonly #browsers: Browser[] = [];
  #secret = 'a secret for tests';
  #databaseUrl: string;
  #running: Running | undefined;

  private constructor(step: Step, folder: string, databaseUrl?: string) {
    this.#step = typeof step === 'function' ? { createApp: step, openDatabase } : step;
    this.#folder = folder;
    this.#databaseUrl = databaseUrl ?? `file:${this.databaseFile}`;
  }

  /** Starts a step on a new database. Whoever starts it calls `dispose`. */
  static async start(step: Step, options: { databaseUrl?: string } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'keep-users-logged-in-'));
    const running = new RunningStep(step, folder, options.databaseUrl);
    await running.#open();
    return running;
  }

  /** Stops the step for good, and deletes its database. */
  async dispose(): Promise<void> {
    vi.useRealTimers(); // with a clock that a test has stopped, nothing ends
    try {
      await this.stop();
    } finally {
      await rm(this.#folder, { recursive: true });
    }
  }

  get url(): string {
    return address(this.#parts.server);
  }

  get knex(): Knex {
    return this.#parts.knex;
  }

  get users(): Users {
    return this.#parts.users;
  }

  get databaseFile(): string {
    return join(this.#folder, 'test.sqlite3');
  }

  /** The store that the step made for itself, known once the first request went through it. */
  get store(): Store {
    if (!this.#parts.store) throw new Error('No request has met the session middleware yet.');
    return this.#parts.store;
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
    this.#secret = changes.secret ?? this.#secret;
    await this.#open();
    for (const browser of this.#browsers) browser.moveTo(this.url);
  }

  /** Closes the server, the store and the database, in this order. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    const { server, store, knex } = this.#running;
    this.#running = undefined;
    await closeServer(server);
    if (store) await closeStore(store);
    await knex.destroy();
  }

  get #parts(): Running {
    if (!this.#running) throw new Error('The step does not run.');
    return this.#running;
  }

  async #open(): Promise<void> {
    const knex = await this.#step.openDatabase(this.#databaseUrl);
    const users = new Users(knex, { bcryptCost: 4 });
    const app = this.#step.createApp({ knex, users, secret: this.#secret });
    const running: Running = { knex, users, server: createServer(), store: undefined };
    running.server.on('request', (req, res) => {
      // express-session names the store on each request: so a test can look into it, and a step needs
      // no door for tests.
      res.once('prefinish', () => {
        running.store ??= storeOf(req);
      });
      app(req, res);
    });
    running.server.listen(0, '127.0.0.1');
    await once(running.server, 'listening');
    this.#running = running;
  }
}

function storeOf(req: object): Store | undefined {
  return 'sessionStore' in req ? (req as Request).sessionStore : undefined;
}

/** The store's timer would outlive its database, and complain. */
async function closeStore(store: Store): Promise<void> {
  if ('close' in store && typeof store.close === 'function') return store.close();
  if (!(store instanceof ConnectSessionKnexStore)) return;
  await store.length(() => {}); // comes after the clean-up that it began with: the connection is one
  store.options.cleanupInterval = 0;
  clearTimeout(store.nextDbCleanup);
}
