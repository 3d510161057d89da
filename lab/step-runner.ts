import { breakDatabase, mendDatabase } from '#steps/shared/fault.ts';
import { titles } from '#steps/shared/steps.ts';
import { type Ended, ServerProcess } from '#tools/server-process.ts';

/** What the lab's page shows of a step. */
export interface StepState {
  step: string;
  title: string;
  phase: 'starting' | 'up' | 'stopping' | 'down' | 'failed';
  processId: number | null;
  /** Why it did not start: the line that it printed. */
  error: string | null;
  /** How the process before this one ended: in order, killed, or by an error of its own. */
  lastEnd: 'SIGTERM' | 'SIGKILL' | 'error' | null;
  /** Whether the table of its sessions was taken away. */
  isBroken: boolean;
}

/** Runs one step's real server as a process of its own; starts, stops and kills it, one after the other. */
export class StepRunner {
  readonly #databaseUrl: string;
  readonly #onChange: () => void;
  #server: ServerProcess | undefined;
  #work: Promise<void> = Promise.resolve();
  #state: StepState;

  /** @param onChange is called whenever `state` is another. */
  constructor(step: string, databaseUrl: string, onChange: () => void) {
    this.#databaseUrl = databaseUrl;
    this.#onChange = onChange;
    this.#state = {
      step,
      title: titles[step] ?? step,
      phase: 'down',
      processId: null,
      error: null,
      lastEnd: null,
      isBroken: false,
    };
  }

  get state(): StepState {
    return this.#state;
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
        const environment = { DATABASE_URL: this.#databaseUrl };
        const clock = 'moving';
        const server = await ServerProcess.start(this.#state.step, environment, { clock });
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
   * Lets a day and two hours pass for the server.
   *
   * @returns how many sessions it had, and how many of them are still there; undefined when it is down.
   */
  async passDay(): Promise<{ before: number; after: number } | undefined> {
    let counted: { before: number; after: number } | undefined;
    await this.#next(async () => {
      if (!this.#server) return;
      const before = await this.#server.countSessions();
      counted = { before, after: await this.#server.passDay() };
    });
    return counted;
  }

  /** Takes the table of its sessions away from the server, and gives it back. */
  setBroken(isBroken: boolean): Promise<void> {
    return this.#next(async () => {
      await (isBroken ? breakDatabase : mendDatabase)(this.#databaseUrl);
      this.#set({ isBroken });
    });
  }

  /** The server may also end without the lab's doing: somebody killed it in a terminal. */
  #gone({ code, signal }: Ended): void {
    this.#server = undefined;
    const lastEnd = signal === 'SIGKILL' ? signal : code === 0 ? 'SIGTERM' : 'error';
    this.#set({ phase: 'down', processId: null, lastEnd });
  }

  #set(change: Partial<StepState>): void {
    this.#state = { ...this.#state, ...change };
    this.#onChange();
  }

  /** What is asked for while something else is going on waits for its turn. */
  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => {}); // whoever asked for it is told; the next one need not fail as well
    return done;
  }
}
