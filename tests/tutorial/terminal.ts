import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** How long, in milliseconds, a server may take to start, or to print what is waited for. */
const PATIENCE = 20_000;

const LISTENS = /· http:\S+ · process \d+$/m;

/** The reader's terminals, in a folder of the project: servers run in some, commands in another. */
export class Terminals {
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  /** The servers, by the port that the text gives them. */
  readonly #servers = new Map<string, Server>();
  /** The port that stands for one of the text. */
  readonly #ports = new Map<string, string>();
  #last: Server | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    const {
      CI,
      NODE_ENV,
      NODE_OPTIONS,
      VITEST,
      PORT,
      HOST,
      DATABASE_URL,
      SESSION_SECRET,
      ...rest
    } = process.env;
    this.#environment = {
      ...rest,
      PATH: [join(folder, 'node_modules/.bin'), process.env.PATH].join(delimiter),
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
  async serve(words: string[], variables: Record<string, string>): Promise<string[]> {
    const { PORT = '3000' } = variables;
    await this.#servers.get(PORT)?.stop();
    const port = this.#ports.get(PORT) ?? (await freePort());
    this.#ports.set(PORT, port);
    const env = { ...this.#environment, ...variables, PORT: port };
    const server = new Server(this.#folder, words, env);
    this.#servers.set(PORT, server);
    this.#last = server;
    await server.prints((printed) => LISTENS.test(printed));
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

  /** Types a command. @returns what it printed. */
  async type(command: string): Promise<string[]> {
    const real = [...this.#ports].reduce(
      (line, [port, realPort]) => line.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${realPort}`),
      // npm would repeat the command, and curl shows its progress when nobody looks.
      command.replace(/^npm (run|test)/, 'npm --silent $1').replace(/^curl /, 'curl -sS '),
    );
    const options = { cwd: this.#folder, env: this.#environment };
    const printed = await new Promise<string>((resolve) => {
      execFile('bash', ['-c', `${real} 2>&1`], options, (_error, stdout) => resolve(stdout));
    });
    return this.#translate(printed);
  }

  /** Ends all servers. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
  }

  #translate(printed: string): string[] {
    const text = [...this.#ports].reduce(
      (line, [port, realPort]) => line.replaceAll(`127.0.0.1:${realPort}`, `127.0.0.1:${port}`),
      printed.replaceAll('\r', ''),
    );
    return text === '' ? [] : text.replace(/\n$/, '').split('\n');
  }
}

/** `npm run step 1`, without npm: with all processes that belong to it. */
class Server {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #hasEnded = false;
  #printed = '';

  constructor(folder: string, words: string[], env: NodeJS.ProcessEnv) {
    // It ends when this process does, however that ends.
    const preload = ['--import', './tools/end-with-parent.ts'];
    const args = ['--import', 'tsx', ...preload, 'tools/step.ts', ...words];
    this.#child = spawn(process.execPath, args, {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true, // a group of its own, to which Ctrl-C goes
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        this.#printed += text;
      });
    }
    this.#ended = once(this.#child, 'close').then(() => {
      this.#hasEnded = true;
    });
  }

  async prints(isEnough: (printed: string) => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (!isEnough(this.#printed) && !this.#hasEnded && Date.now() < deadline) await pause(20);
  }

  takePrinted(): string {
    const printed = this.#printed;
    this.#printed = '';
    return printed;
  }

  async stop(): Promise<void> {
    if (this.#hasEnded || !this.#child.pid) return;
    process.kill(-this.#child.pid, 'SIGINT');
    await this.#ended;
  }
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return String(typeof address === 'object' && address?.port);
}
