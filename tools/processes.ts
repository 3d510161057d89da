import { setTimeout as pause } from 'node:timers/promises';
import { execa, type Options } from 'execa';
import { root } from './steps.ts';

/** How a process ended, and everything it printed. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const settings = {
  cwd: root,
  reject: false, // a failure is an outcome like any other
  stripFinalNewline: false,
  forceKillAfterDelay: false, // after SIGTERM, a server on a busy machine may close for longer than execa's five seconds
} as const;

/** @returns whether there is such a process. */
export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return processId > 0;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // it belongs to another user
  }
}

/** Runs a program to its end. Never rejects: see `code`, which is null when the program was not found. */
export async function run(
  file: string,
  args: string[] = [],
  options: Options = {},
): Promise<Ended> {
  return new ChildProcess(file, args, options).ended;
}

/** Runs Node with TypeScript: `runScript('tools/diff.ts', ['2', '3'])`. */
export function runScript(script: string, args: string[] = [], options: Options = {}) {
  return run(process.execPath, ['--import', 'tsx/esm', script, ...args], options);
}

/**
 * Runs Node in the user's terminal. A Ctrl-C reaches both processes; this one waits for the other.
 *
 * @returns the exit code.
 */
export async function runInTerminal(args: string[], options: Options = {}): Promise<number> {
  const child = execa(process.execPath, args, { ...settings, ...options, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return (await child).exitCode ?? 1;
}

/**
 * A program that runs in a process of its own, which ends when this process exits. If this process is killed,
 * it cannot end its child, so a Node child also loads `tools/end-with-parent.ts`.
 */
export class ChildProcess {
  readonly #child;
  /** Resolves when the process has ended, whoever ended it. Never rejects. */
  readonly ended: Promise<Ended>;
  hasEnded = false;
  /** What it has printed so far. */
  stdout = '';
  stderr = '';

  constructor(file: string, args: string[], options: Options = {}) {
    this.#child = execa(file, args, { ...settings, ...options, buffer: false });
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#child[stream]?.setEncoding('utf8').on('data', (text) => {
        this[stream] += text;
      });
    }
    this.ended = this.#child.then(({ exitCode, signal }) => {
      this.hasEnded = true;
      const ended = { stdout: this.stdout, stderr: this.stderr };
      return { code: exitCode ?? null, signal: (signal as NodeJS.Signals) ?? null, ...ended };
    });
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a signal and waits for the end of the process. */
  async end(signal: NodeJS.Signals): Promise<Ended> {
    this.#child.kill(signal);
    return this.ended;
  }

  /** Sends a message to a Node child that has an IPC channel, and waits for its reply. */
  async ask(message: object): Promise<void> {
    const reply = new Promise((resolve) => this.#child.once('message', resolve));
    this.#child.send?.(message as never);
    await Promise.race([reply, this.ended]);
  }

  /**
   * Waits until the process has printed something.
   *
   * @param isEnough looks at what it has printed so far.
   * @param timeout in milliseconds.
   * @returns false if the process ended or the time ran out first.
   */
  async printed(
    isEnough: (child: { stdout: string; stderr: string }) => boolean,
    timeout = 60_000,
  ): Promise<boolean> {
    const deadline = Date.now() + timeout;
    while (!isEnough(this)) {
      if (this.hasEnded || Date.now() > deadline) return isEnough(this);
      await Promise.race([pause(10), this.ended]);
    }
    return true;
  }
}

// Waits in the background until stdin closes, which it also does if this process dies. Then kills the whole
// process group.
const KEEPER = 'exec 3<&0 </dev/null 2>&1; { cat <&3; kill -KILL 0; } >/dev/null 2>&1 & exec 3<&-';

/**
 * A command in bash, with all processes that it starts. They end with the command, and with this process however
 * that ends, as if a terminal window were closed. `stdout` includes what it prints on stderr.
 */
export class Shell extends ChildProcess {
  #seen = 0;

  constructor(command: string, options: Options) {
    // Detached, it is a process group of its own, which Ctrl-C goes to.
    super('bash', ['-c', `${KEEPER}\n${command}`], { ...options, stdin: 'pipe', detached: true });
  }

  /** What it has printed since the last call of `read`. */
  get unread(): string {
    return this.stdout.slice(this.#seen);
  }

  read(): string {
    const { unread } = this;
    this.#seen += unread.length;
    return unread;
  }

  /** Sends a signal to all its processes, SIGINT as Ctrl-C does. @returns whether they end */
  async endAll(signal: 'SIGINT' | 'SIGKILL'): Promise<boolean> {
    if (this.processId && !this.hasEnded) process.kill(-this.processId, signal);
    await this.printed(() => false);
    return this.hasEnded;
  }
}
