import { breakDatabase, restoreDatabase } from '#steps/shared/break-database.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { readStep, type Step } from '#steps/shared/step.ts';
import { Browser } from '#tools/browser.ts';
import { connectTo, makeDatabase, type TemporaryDatabase } from '#tools/databases.ts';
import type { Visit } from '#tools/measure.ts';
import type { Ended } from '#tools/processes.ts';
import { movingClock, ServerProcess } from '#tools/server-process.ts';
import { stepFolder } from '#tools/steps.ts';

/** What the lab's page shows of a step. */
export interface StepState extends Pick<Step, 'title' | 'store'> {
  step: string;
  phase: 'starting' | 'up' | 'stopping' | 'down' | 'failed';
  processId: number | null;
  /** Why it did not start: the line that it printed. */
  error: string | null;
  /** How the process before this one ended: in order, killed, or because of an error. */
  lastEnd: 'SIGTERM' | 'SIGKILL' | 'error' | 'database error' | null;
  /** Whether its sessions table is renamed. */
  isBroken: boolean;
  /** How often the state has changed: the page waits until it has seen what an action did. */
  changes: number;
}

/** Runs one step's real server as a process of its own; starts, stops and kills it, one after the other. */
export class StepRunner {
  readonly #makeDatabase: () => Promise<TemporaryDatabase>;
  readonly #onChange: () => void;
  #server: ServerProcess | undefined;
  #database: TemporaryDatabase | undefined;
  #work: Promise<unknown> = Promise.resolve();
  state: StepState;

  /**
   * @param folder for its database.
   * @param onChange is called whenever `state` has changed.
   */
  constructor(step: string, folder: string, onChange: () => void) {
    this.#makeDatabase = () => makeDatabase(step, folder);
    this.#onChange = onChange;
    const { title, store } = readStep(stepFolder(step));
    this.state = {
      step,
      title,
      store,
      phase: 'starting',
      processId: null,
      error: null,
      lastEnd: null,
      isBroken: false,
      changes: 0,
    };
  }

  /** Where the server listens, while it does. */
  get url(): string | undefined {
    return this.#server?.url;
  }

  /** Starts the server unless it runs. A server that cannot start shows why in `state.error`. */
  start(): Promise<void> {
    return this.#next(async () => {
      if (this.#server) return;
      this.#set({ phase: 'starting', error: null });
      try {
        this.#database ??= await this.#makeDatabase();
        const environment = { DATABASE_URL: this.#database.url };
        const preload = [movingClock];
        const server = await ServerProcess.start(this.state.step, environment, { preload });
        this.#server = server;
        void server.ended.then((ended) => this.#gone(ended));
        this.#set({ phase: 'up', processId: server.processId ?? null });
      } catch (error) {
        this.#set({ phase: 'failed', error: error instanceof Error ? error.message : null });
      }
    });
  }

  /** Ends the server, if it runs: SIGTERM lets it finish what is in flight, SIGKILL does not. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    return this.#next(async () => {
      if (!this.#server) return;
      this.#set({ phase: 'stopping' });
      await this.#server.end(signal);
    });
  }

  /**
   * Measures the server in a session of its own, so the reader's login stays as it is.
   *
   * @returns the outcome; undefined when the server or its database is down.
   */
  measure(work: (visit: Visit) => Promise<string>): Promise<string | undefined> {
    return this.#next(async () => {
      if (!this.#server || !this.#database || this.state.isBroken) return undefined;
      const browser = new Browser(this.#server.url);
      const { status } = await browser.logIn(demo);
      const { step } = this.state;
      if (status !== 200) throw new Error(`The demo login at ${step} got ${status}.`);
      try {
        return await work({ step, server: this.#server, browser, database: this.#database });
      } finally {
        await browser.logOut().catch(() => {}); // it may be logged out already, or its server may be down
      }
    });
  }

  /** Renames the sessions table under the running server, or renames it back. */
  setBroken(isBroken: boolean): Promise<void> {
    return this.#next(async () => {
      if (!this.#database) return;
      const knex = await connectTo(this.#database.url);
      await (isBroken ? breakDatabase : restoreDatabase)(knex).finally(() => knex.destroy());
      this.#set({ isBroken });
    });
  }

  /** Ends the server, and deletes its database. */
  async remove(): Promise<void> {
    await this.end('SIGTERM'); // waits for a start in progress
    await this.#database?.remove();
  }

  /** The server can also end without the lab: by an error, or killed in a terminal. */
  #gone({ code, signal }: Ended): void {
    this.#server = undefined;
    const error = this.state.isBroken ? 'database error' : 'error';
    const lastEnd = signal === 'SIGKILL' ? signal : code === 0 ? 'SIGTERM' : error;
    this.#set({ phase: 'down', processId: null, lastEnd });
  }

  #set(change: Partial<StepState>): void {
    this.state = { ...this.state, ...change, changes: this.state.changes + 1 };
    this.#onChange();
  }

  /** Does one thing at a time: work that arrives meanwhile waits for its turn. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => {}); // the caller gets the error; the next work must not fail as well
    return done;
  }
}
