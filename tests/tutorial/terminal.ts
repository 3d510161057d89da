import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** How long, in milliseconds, a server may take to start, or to print what is waited for. */
const PATIENCE = 20_000;

/** And how long a command may take; some run tests. */
const LONG_PATIENCE = 90_000;

/** A server says where it listens; and vitest, that it waits for the next change. */
const IS_READY = /\bhttp:\S+.*$|for file changes/m;

/** The reader's terminals, in a folder of the project: servers run in some, commands in another. */
export class Terminals {
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  /** The servers, by the port that the text gives them. */
  readonly #servers = new Map<string, Terminal>();
  /** The port that stands for one of the text. */
  readonly #ports = new Map<string, string>();
  #last: Terminal | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    // What a reader's shell knows, and nothing of what tests are told.
    const { PATH = '', HOME = '', TMPDIR = tmpdir(), LANG = '', CHROMIUM = '' } = process.env;
    this.#environment = {
      PATH: [join(folder, 'node_modules/.bin'), PATH].join(delimiter),
      HOME,
      TMPDIR,
      LANG,
      ...(CHROMIUM ? { CHROMIUM } : {}),
      NO_COLOR: '1',
      npm_config_loglevel: 'error',
    };
  }

  /**
   * Starts a step's server as the reader does, in place of the one that has its port, which is stopped
   * with Ctrl-C before.
   *
   * @returns what it printed until it listens, or ended.
   */
  async serve(script: string, words: string, variables: Record<string, string>): Promise<string[]> {
    const { PORT = '3000' } = variables;
    const key = script === 'practice' ? script : PORT; // its tests run beside a server
    await this.#servers.get(key)?.stop();
    const port = this.#ports.get(PORT) ?? (await freePort());
    this.#ports.set(PORT, port);
    const server = new Terminal(this.#asNpmRuns(`npm run ${script}${words}`), this.#folder, {
      ...this.#environment,
      ...variables,
      PORT: port,
    });
    this.#servers.set(key, server);
    this.#last = server;
    await server.prints((printed) => IS_READY.test(printed));
    return this.#translate(server.takePrinted());
  }

  /**
   * Waits until the server that was started last has printed enough since it was looked at, or has ended.
   *
   * @returns that.
   */
  async look(isEnough: (lines: string[]) => boolean): Promise<string[]> {
    const server = this.#last;
    if (!server) return [];
    await server.prints((printed) => isEnough(this.#translate(printed)));
    return this.#translate(server.takePrinted());
  }

  /** What npm runs: it would take half a second to start, and repeat the command. */
  #asNpmRuns(command: string): string {
    const { scripts } = JSON.parse(readFileSync(join(this.#folder, 'package.json'), 'utf8'));
    const [, name = '', words = ''] = /^npm (?:run )?([\w:-]+)(.*)$/.exec(command) ?? [];
    return scripts[name]
      ? `${scripts[name]}${words.replace(/ --(?= |$)/, '')}`
      : command.replace(/^npm /, 'npm --silent ');
  }

  /** Types a command. @returns what it printed. */
  async type(command: string): Promise<string[]> {
    const real = [...this.#ports].reduce(
      (line, [port, realPort]) => line.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${realPort}`),
      // curl shows its progress when nobody looks.
      this.#asNpmRuns(command).replace(/^curl /, 'curl -sS '),
    );
    const terminal = new Terminal(real, this.#folder, this.#environment);
    await terminal.prints(() => false, LONG_PATIENCE);
    const printed = terminal.hasEnded
      ? terminal.takePrinted()
      : `${terminal.takePrinted()}\nIt did not end within ${LONG_PATIENCE / 1000} seconds.`;
    await terminal.kill();
    return this.#translate(printed);
  }

  /** Ends all servers, for sure. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.kill()));
  }

  #translate(printed: string): string[] {
    const text = [...this.#ports].reduce(
      (line, [port, realPort]) => line.replaceAll(`127.0.0.1:${realPort}`, `127.0.0.1:${port}`),
      printed.replaceAll('\r', ''),
    );
    return text === '' ? [] : text.replace(/\n$/, '').split('\n');
  }
}

// Whatever runs in a terminal ends with it, as when its window is closed: this waits in the background for
// the pipe from here to close, be it by the death of this process, and then ends the whole group.
const KEEPER = '{ cat <&3; kill -KILL 0; } >/dev/null 2>&1 &';

/** A terminal in which one command runs, with all processes that belong to it. */
class Terminal {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #printed = '';
  hasEnded = false;

  constructor(command: string, folder: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn('bash', ['-c', `${KEEPER}\nexec 3<&- 2>&1\n${command}`], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
      detached: true, // a group of its own, to which Ctrl-C goes
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.#printed += text;
    });
    const closed = once(this.#child, 'close');
    this.#ended = once(this.#child, 'exit').then(async () => {
      this.#close();
      await closed;
      this.hasEnded = true;
    });
  }

  /** Waits until it has printed enough, or its command has ended, or the time is over. */
  async prints(isEnough: (printed: string) => boolean, patience = PATIENCE): Promise<void> {
    const deadline = Date.now() + patience;
    while (!isEnough(this.#printed) && !this.hasEnded && Date.now() < deadline) {
      await Promise.race([pause(20), this.#ended]);
    }
  }

  takePrinted(): string {
    const printed = this.#printed;
    this.#printed = '';
    return printed;
  }

  /** Presses Ctrl-C. @throws when the command does not end of it */
  async stop(): Promise<void> {
    this.#signal('SIGINT');
    await this.prints(() => false);
    if (this.hasEnded) return;
    await this.kill();
    throw new Error('The server did not end on Ctrl-C.');
  }

  async kill(): Promise<void> {
    this.#signal('SIGKILL');
    await this.#ended;
  }

  #signal(signal: NodeJS.Signals): void {
    if (!this.hasEnded && this.#child.pid) process.kill(-this.#child.pid, signal);
  }

  #close(): void {
    const pipe = this.#child.stdio[3];
    if (pipe && 'destroy' in pipe) pipe.destroy();
  }
}

/**
 * A free port out of the range from which systems give out ports by themselves: nobody else comes upon it
 * while its server restarts.
 */
async function freePort(): Promise<string> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false);
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return String(port);
  }
}
