import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { get, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StepState } from '#lab/step-runner.ts';
import { root } from '#tools/steps.ts';

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const lab of running) lab.kill('SIGKILL');
});

/** The lab as `npm start` runs it, in a process of its own. */
export class LabProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
    this.url = url;
  }

  /** Starts a lab, and waits until it listens; the steps are still starting then. */
  static async start(environment: NodeJS.ProcessEnv = {}): Promise<LabProcess> {
    const child = spawnLab({ PORT: '0', ...environment });
    const [printed] = child.stdout ? await once(child.stdout, 'data') : [];
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(printed))?.[0];
    if (!url) throw new Error(`The lab printed no address: ${printed}`);
    return new LabProcess(child, url);
  }

  /** Starts a lab that is expected to fail, and waits for its end. */
  static async fail(environment: NodeJS.ProcessEnv): Promise<{ code: unknown; printed: string }> {
    const child = spawnLab(environment);
    let printed = '';
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      printed += text;
    });
    const [code] = await once(child, 'close');
    return { code, printed };
  }

  /** Sends a signal, and waits for the end of the lab: its exit code, or the signal. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<unknown> {
    this.#child.kill(signal);
    return this.#ended;
  }

  /** @returns the folders that hold its databases: one while it runs, none when it has ended. */
  async folders(): Promise<string[]> {
    const names = await readdir(tmpdir());
    const own = names.filter((name) =>
      name.startsWith(`keep-users-logged-in-lab-${this.#child.pid}-`),
    );
    return own.map((name) => join(tmpdir(), name));
  }

  /** @returns the processes of the steps that run. */
  async processes(): Promise<number[]> {
    return (await stateOf(this.url)).flatMap(({ processId }) => processId ?? []);
  }
}

function spawnLab(environment: NodeJS.ProcessEnv): ChildProcess {
  const preload = ['--import', 'tsx/esm', '--import', './tools/end-with-parent.ts'];
  const child = spawn(process.execPath, [...preload, 'lab/main.ts'], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/**
 * Reads what the lab tells its page.
 *
 * @param until waits until this holds; without it, the first state will do.
 * @returns the state of every step, in order.
 */
export function stateOf(
  url: string,
  until: (states: StepState[]) => boolean = () => true,
): Promise<StepState[]> {
  return new Promise((resolve, reject) => {
    const events = get(`${url}/lab/events`, (response) => {
      let received = '';
      response.setEncoding('utf8').on('data', (text) => {
        received += text;
        const messages = received.split('\n\n');
        received = messages.pop() ?? '';
        const states = messages
          .map((message): StepState[] => JSON.parse(message.replace('data: ', '')))
          .find(until);
        if (!states) return;
        events.destroy();
        resolve(states);
      });
    });
    events.on('error', reject);
  });
}

/** @returns whether each of the four steps of the first act runs. */
export function areUp(states: StepState[]): boolean {
  return states.slice(0, 4).every(({ phase }) => phase === 'up');
}

/**
 * Sends a request without a body, with headers that a browser would not let a page choose.
 *
 * @returns the status of the answer.
 */
export function send(
  method: string,
  url: string,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}
