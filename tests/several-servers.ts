import { once } from 'node:events';
import { cp, readFile, symlink } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { Browser, replay } from '#tools/browser.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root } from '#tools/steps.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { Load } from './load.ts';
import { send } from './requests.ts';
import { fastBcrypt } from './spawn.ts';

// For tests of several servers that share one address.

/** For waiting, in milliseconds. */
export const patience = { interval: 20, timeout: 30_000 };

/** Two loads side by side: one opens a connection for each request, one uses its connections again. */
export async function startLoad(url: string, cookies: string[]) {
  const loads = [false, true].map((keepAlive) => new Load(url, cookies, { keepAlive, rest: 50 }));
  const until = async (path: string, outcome: number) => {
    await Promise.all(loads.map((load) => load.until(path, outcome)));
  };
  const stop = async (patience?: number) => {
    await Promise.all(loads.map((load) => load.stop(patience)));
  };
  onTestFinished(() => stop(0));
  await until('/api/login', 200);
  return {
    until,
    stop,
    clients: 16,
    get sent() {
      return loads.flatMap(({ sent }) => sent);
    },
    /** The outcomes of all requests, each once. */
    get outcomes() {
      return [...new Set(this.sent.map(({ outcome }) => outcome))].sort();
    },
  };
}

/** Prints figures, with FIGURES=1: the outcomes of a load, the slowest response, and some times, in milliseconds. */
export function figures(load: Pick<Load, 'sent'>, times: Record<string, number> = {}): void {
  const counts: Record<string, number> = {};
  for (const { outcome } of load.sent) counts[outcome] = (counts[outcome] ?? 0) + 1;
  const slowest = Math.max(...load.sent.map(({ took }) => took));
  if (process.env.FIGURES) console.log(JSON.stringify({ ...counts, slowest, ...times }));
}

/** A rolling deploy. @returns how long it took, in milliseconds. */
export async function deploy(server: ServerProcess): Promise<number> {
  const begun = performance.now();
  const printed = server.stdout.length;
  server.signal('SIGHUP');
  const isDone = () => server.stdout.slice(printed).includes('All servers are replaced');
  if (!(await server.printed(isDone, 60_000))) throw new Error(server.stderr);
  return performance.now() - begun;
}

/** Logs in as the demo user. @returns the cookie. */
export async function logIn(url: string): Promise<string> {
  const browser = new Browser(url);
  expect((await browser.logIn(demo)).status).toBe(200);
  return browser.cookie ?? '';
}

export function me(url: string, cookie: string, agent: Agent | false = false): Promise<number> {
  return send('GET', `${url}/api/me`, { cookie }, '', { agent });
}

/** Asks each of some servers who is logged in. @returns their statuses. */
export async function askEach(url: string, cookie: string, servers = 2): Promise<number[]> {
  const statuses = new Map<number, number>();
  const ask = async () => {
    // A connection stays with the server that accepted it.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const { processId } = await inspect(url, '', agent);
    statuses.set(processId, await me(url, cookie, agent));
    agent.destroy();
    return statuses.size;
  };
  await expect.poll(ask, patience).toBe(servers);
  return [...statuses.values()];
}

/** @returns the ids of the processes that answer, once there are as many as expected. */
export async function processIds(url: string, servers = 2): Promise<number[]> {
  const ids = new Set<number>();
  const ask = async () => ids.add((await inspect(url)).processId).size;
  await expect.poll(ask, patience).toBe(servers);
  return [...ids];
}

export async function inspect(url: string, cookie = '', agent: Agent | false = false) {
  const [response] = await once(
    request(`${url}/inspect`, { headers: { cookie }, agent }).end(),
    'response',
  );
  return JSON.parse(await text(response)) as { processId: number; session: object | null };
}

export async function expectAllLoggedIn(url: string, cookies: string[]): Promise<void> {
  const answers = await Promise.all(cookies.map((cookie) => replay(url, cookie)));
  expect(answers.map(({ status }) => status)).toEqual(cookies.map(() => 200));
}

/** A copy of the steps, in which step 09 keeps the data of its own PostgreSQL. */
export class StepsCopy {
  readonly folder: string;
  /** Deletes it. */
  readonly remove: () => Promise<void>;

  private constructor(folder: string, remove: () => Promise<void>) {
    this.folder = folder;
    this.remove = remove;
  }

  static async make(): Promise<StepsCopy> {
    const { path, remove } = await makeTemporaryFolder();
    const isCode = (path: string) => !/\.(postgresql|sqlite3)|steps\/practice/.test(path);
    for (const part of ['package.json', 'steps', 'database']) {
      await cp(join(root, part), join(path, part), { recursive: true, filter: isCode });
    }
    await symlink(join(root, 'node_modules'), join(path, 'node_modules'), 'junction');
    return new StepsCopy(path, remove);
  }

  /** The `server.ts` of step 09. */
  get script(): string {
    return join(this.folder, 'steps/09-many-servers/server.ts');
  }

  /** The folder of its PostgreSQL. */
  get postgres(): string {
    return join(this.folder, 'database/09-many-servers.postgresql');
  }

  /** Starts step 09, until the test has finished. */
  async start(environment: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
    const options = { preload: [fastBcrypt] };
    const server = await ServerProcess.startScript(this.script, environment, options);
    onTestFinished(async () => {
      await server.end('SIGKILL');
    });
    return server;
  }

  /** @returns the id of its PostgreSQL's first process, while it runs. */
  async postmaster(): Promise<number | undefined> {
    const file = join(this.postgres, 'data/postmaster.pid');
    const content = await readFile(file, 'utf8').catch(() => '');
    return Number(content.split('\n')[0]) || undefined;
  }
}
