import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { send } from './requests.ts';

/** The user whose logins are part of the load: from step 08 on, too many of them end the user's earlier sessions. */
export const visitor = { username: 'visitor', password: 'a password' };

/** A status, or the code of the error when there was no response. */
type Outcome = number | string;

/** A steady load of reads, logins and visits to the page. It continues until `stop`. */
export class Load {
  /** All requests that have ended. Times are in milliseconds, on the clock of `performance.now()`. */
  readonly sent: { what: string; begun: number; took: number; outcome: Outcome }[] = [];
  readonly #url: string;
  readonly #agent: Agent | false;
  readonly #rest: number;
  readonly #clients: Promise<void>[];
  readonly #ending = new AbortController();
  #stopped = false;

  /**
   * @param cookies sessions that are logged in; they read, in turns.
   * @param keepAlive whether connections are used again, as browsers do; if not, each request opens its own.
   * @param rest how long each client waits between two requests, in milliseconds.
   */
  constructor(url: string, cookies: string[], { keepAlive = false, rest = 20 } = {}) {
    this.#url = url;
    this.#rest = rest;
    this.#agent = keepAlive && new Agent({ keepAlive });
    let turn = 0;
    const read = (path: string) => () => {
      turn += 1;
      return this.#send('GET', path, { cookie: cookies[turn % cookies.length] ?? '' });
    };
    const json = { 'content-type': 'application/json' };
    const logIn = () => this.#send('POST', '/api/login', json, JSON.stringify(visitor));
    const visit = () => this.#send('GET', '/');
    const work = [...Array(4).fill(read('/api/me')), read('/api/users'), logIn, logIn, visit];
    this.#clients = work.map((send) => this.#repeat(send));
  }

  /** Ends the load, once all that was sent is answered. @param patience in milliseconds; then it gives up. */
  async stop(patience = 15_000): Promise<void> {
    this.#stopped = true;
    const deadline = setTimeout(() => this.#ending.abort(), patience);
    await Promise.all(this.#clients);
    clearTimeout(deadline);
    if (this.#agent) this.#agent.destroy();
  }

  /** Waits for a request to `path`, sent from now on, with that outcome. */
  async until(path: string, outcome: Outcome): Promise<void> {
    const now = performance.now();
    const outcomes = () =>
      this.sent.filter(({ what, begun }) => what === path && begun > now).map((it) => it.outcome);
    const message = `the outcomes of ${path}, in 10 seconds`;
    await expect.poll(outcomes, { interval: 10, timeout: 10_000, message }).toContain(outcome);
  }

  async #repeat(send: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      await send();
      await pause(this.#rest);
    }
  }

  async #send(method: string, what: string, headers = {}, body?: string): Promise<void> {
    const begun = performance.now();
    const connection = { agent: this.#agent, signal: this.#ending.signal };
    const sending = send(method, this.#url + what, headers, body, connection);
    const outcome = await sending.catch(({ code }) => code);
    this.sent.push({ what, begun, took: performance.now() - begun, outcome });
  }
}
