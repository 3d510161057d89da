import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { demo } from '#steps/shared/demo-account.ts';

/** One request, and what became of it. Times are in milliseconds, on the clock of `performance.now()`. */
export interface Sent {
  what: string;
  begun: number;
  took: number;
  /** The status of the answer, or the code of the error when there was none. */
  outcome: number | string;
}

/**
 * A steady load of reads, logins and visits to the page, each request on a connection of its own. It
 * goes on until `stop`.
 */
export class Load {
  readonly sent: Sent[] = [];
  readonly #clients: Promise<void>[];
  #stopped = false;

  /** @param cookies sessions that are logged in; they read, in turns. */
  constructor(url: string, cookies: string[]) {
    let turn = 0;
    const read = (path: string) => () => {
      turn += 1;
      return this.#send(`read ${path}`, url, path, cookies[turn % cookies.length]);
    };
    const login = () => this.#send('login', url, '/api/login');
    const visit = () => this.#send('page', url, '/');
    const work = [...Array(4).fill(read('/api/me')), read('/api/users'), login, login, visit];
    this.#clients = work.map((send) => this.#repeat(send));
  }

  /** Ends the load, once all that was sent is answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  /** Waits for a request, sent from now on, that fits. */
  async until(fits: (sent: Sent) => boolean): Promise<void> {
    const now = performance.now();
    const deadline = now + 10_000;
    while (!this.sent.some((sent) => sent.begun > now && fits(sent))) {
      if (performance.now() > deadline) throw new Error(`Not in 10 seconds: ${fits}.`);
      await pause(10);
    }
  }

  /** What became of all requests: how often each outcome, and how long the slowest took. */
  summary() {
    const outcomes: Record<string, number> = {};
    for (const { outcome } of this.sent) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    return { outcomes, slowest: Math.round(Math.max(...this.sent.map(({ took }) => took))) };
  }

  async #repeat(send: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      await send();
      await pause(20); // in milliseconds
    }
  }

  #send(what: string, url: string, path: string, cookie?: string): Promise<void> {
    const begun = performance.now();
    const login = what === 'login';
    return new Promise((resolve) => {
      const done = (outcome: number | string) => {
        this.sent.push({ what, begun, took: performance.now() - begun, outcome });
        resolve();
      };
      request(new URL(path, url), {
        agent: false,
        method: login ? 'POST' : 'GET',
        headers: { 'content-type': 'application/json', ...(cookie ? { cookie } : {}) },
      })
        .once('response', (answer) => {
          answer.once('error', (error) => done(String(Reflect.get(error, 'code'))));
          answer.once('end', () => done(answer.statusCode ?? 0)).resume();
        })
        .once('error', (error) => done(String(Reflect.get(error, 'code'))))
        .end(login ? JSON.stringify(demo) : undefined);
    });
  }
}
