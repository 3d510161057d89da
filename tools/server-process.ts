import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root, stepFolder } from './steps.ts';

/** How a server process ended, and all that it had printed. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const HOUR = 60 * 60 * 1000; // in milliseconds

interface Options {
  /** The clock of the process, when it is not the machine's. */
  clock?: 'stopped' | 'moving';
  /** The user whom the process runs as; only root may choose another. */
  uid?: number;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * A step's real `server.ts`, in a process of its own, which ends when this one does, however that ends.
 *
 * Its clock can be ours: with a `stopped` one, time in that process stands still; with a `moving` one it
 * passes as ever. With both, `passDay` makes a day pass in a moment, and timers fire as if it had.
 */
export class ServerProcess {
  readonly #child: ChildProcess;
  /** Resolves when the process has ended, whoever ended it. */
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  private constructor(script: string, environment: NodeJS.ProcessEnv, options: Options = {}) {
    const clock = [
      '--disable-warning=ExperimentalWarning',
      '--import',
      `./tools/${options.clock}-clock.ts`,
    ];
    const preload = ['--import', 'tsx/esm', '--import', './tools/end-with-parent.ts'];
    this.#child = spawn(process.execPath, [...preload, ...(options.clock ? clock : []), script], {
      cwd: root,
      env: clean({ PORT: '0', ...environment }),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
    });
    running.add(this.#child);
    this.#child.stdout?.setEncoding('utf8').on('data', (printed) => {
      this.#stdout += printed;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (printed) => {
      this.#stderr += printed;
    });
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      running.delete(this.#child);
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  /**
   * Starts a step's server on a free port, and waits until it listens.
   *
   * @throws when it ends instead; the message is what it printed on stderr.
   */
  static async start(
    step: string,
    environment: NodeJS.ProcessEnv,
    options?: Options,
  ): Promise<ServerProcess> {
    return ServerProcess.startScript(serverOf(step), environment, options);
  }

  /** Starts a server that is no step's, but serves like one, from the path of its script. */
  static async startScript(
    script: string,
    environment: NodeJS.ProcessEnv,
    options?: Options,
  ): Promise<ServerProcess> {
    const server = new ServerProcess(script, environment, options);
    await Promise.race([server.#listening(), server.#failure()]);
    return server;
  }

  /** Starts a step's server that is expected to fail, and waits for its end. */
  static async fail(step: string, environment: NodeJS.ProcessEnv): Promise<Ended> {
    return new ServerProcess(serverOf(step), environment).ended;
  }

  get url(): string {
    return /(http:\S+) · process \d+\n/.exec(this.#stdout)?.[1] ?? '';
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a signal, and waits for the end of the process. */
  async end(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<Ended> {
    this.#child.kill(signal);
    return this.ended;
  }

  /**
   * Lets a day and two hours pass in a process with a clock of ours, in which nobody sends a request: all
   * sessions expire.
   *
   * @returns how many of them are in the store all the same.
   * @throws when the server ends meanwhile.
   */
  async passDay(): Promise<number> {
    // Hour by hour, as timers would see it. Each clean-up ends before the next hour begins: the question
    // comes after its query, on the one connection to the database.
    for (let hour = 0; hour < 26; hour++) {
      this.#child.send({ advance: HOUR });
      await Promise.race([once(this.#child, 'message'), this.ended]);
      await this.countSessions();
    }
    return this.countSessions();
  }

  /** Asks without a cookie, so that the question moves no session's expiry on. */
  async countSessions(): Promise<number> {
    const response = await fetch(`${this.url}/inspect`);
    const { store } = (await response.json()) as { store: { sessions: number } };
    return store.sessions;
  }

  async #listening(): Promise<void> {
    while (!this.url) {
      if (this.#child.stdout) await once(this.#child.stdout, 'data');
    }
  }

  async #failure(): Promise<never> {
    const { stderr, code } = await this.ended;
    throw new Error(stderr.trim() || `The server ended with exit code ${code}.`);
  }
}

function serverOf(step: string): string {
  return join(stepFolder(step), 'server.ts');
}

/** The environment of this process, without what would lead a server astray. */
function clean(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_ENV, NODE_OPTIONS, DATABASE_URL, SESSION_SECRET, HOST, ...rest } = process.env;
  return { ...rest, ...environment };
}
