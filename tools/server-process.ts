import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ChildProcess, type Ended } from './processes.ts';
import { root } from './steps.ts';

interface Options {
  /** Modules that the process loads before its script, by their paths in the project. */
  preload?: string[];
  /** Its working directory. */
  cwd?: string;
  /** The id of the user whom the process runs as; only root may choose another. */
  uid?: number;
  /** A command that runs it elsewhere, such as in another network. */
  within?: string[];
}

/** For `preload`: time passes as usual, and `advance` lets any time pass in a moment. */
export const movingClock = 'tools/moving-clock.ts';

/** A server of this project, a step's or the lab, in a process of its own. It ends when this one does. */
export class ServerProcess extends ChildProcess {
  private constructor(script: string, environment: NodeJS.ProcessEnv, options: Options = {}) {
    const { preload = [], cwd = root, uid, within = [] } = options;
    const own = ['tools/end-with-parent.ts', ...preload];
    const urls = own.map((module) => pathToFileURL(resolve(root, module)).href);
    const imports = ['tsx/esm', ...urls].flatMap((module) => ['--import', module]);
    const node = ['--disable-warning=ExperimentalWarning', ...imports];
    const [program = '', ...args] = [...within, process.execPath, ...node, resolve(root, script)];
    super(program, args, {
      env: clean({ PORT: '0', ...environment }),
      cwd,
      extendEnv: false,
      stdio: ['ignore', 'pipe', 'pipe'],
      ipc: true,
      serialization: 'json',
      ...(uid !== undefined && { uid }),
    });
  }

  /**
   * Starts a step's server on a free port, and waits until it listens.
   *
   * @throws when it ends instead; the message is what it printed on stderr.
   */
  static start(step: string, environment: NodeJS.ProcessEnv, options?: Options) {
    return ServerProcess.startScript(`steps/${step}/server.ts`, environment, options);
  }

  /** Starts another server. @param script its path, absolute or in the project. */
  static async startScript(
    script: string,
    environment: NodeJS.ProcessEnv,
    options?: Options,
  ): Promise<ServerProcess> {
    const server = new ServerProcess(script, environment, options);
    if (await server.#listens()) return server;
    const { code, stderr } = await server.end('SIGKILL');
    throw new Error(stderr.trim() || `The server ended with exit code ${code}.`);
  }

  /**
   * Starts a server that is expected to fail, and waits for its end.
   *
   * @throws when it listens instead.
   */
  static async fail(script: string, environment: NodeJS.ProcessEnv): Promise<Ended> {
    const server = new ServerProcess(script, environment);
    if (!(await server.#listens())) return server.ended;
    await server.end('SIGKILL');
    throw new Error(`The server started, and should not have: ${server.stdout}`);
  }

  #listens(): Promise<boolean> {
    return this.printed(() => this.url !== '');
  }

  /** The URL in the line that a server prints once it listens. */
  get url(): string {
    return / · (http:\S+) · .*\n/.exec(this.stdout)?.[1] ?? '';
  }

  /** Sends a signal, and does not wait. */
  signal(signal: 'SIGINT' | 'SIGTERM'): void {
    void this.end(signal);
  }

  /** Lets time pass in a process with a preloaded clock. @param duration in milliseconds. */
  advance(duration: number): Promise<void> {
    return this.ask({ advance: duration });
  }
}

/** The environment of this process, without the variables that configure a server. */
function clean(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_ENV, NODE_OPTIONS, DATABASE_URL, SESSION_SECRET, HOST, DRAIN, ...rest } =
    process.env;
  return { ...rest, ...environment };
}
