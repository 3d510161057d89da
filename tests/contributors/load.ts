import type { RequestOptions } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { send } from '../requests.ts';

/** The user whose logins are part of the load: from step 08 on, too many of them end the user's earlier sessions. */
export const visitor = { username: 'visitor', password: 'a password' };

/** A status, or the code of the error when there was no response. */
type Outcome = number | string;

/** A request that has ended. It has begun at that time on the clock of `performance.now()`. */
type Sent = { method: string; what: string; begun: number; outcome: Outcome };

/** A steady load of reads, logins and visits to the page. It continues until `stop`. */
export class Load {
  /** All requests that have ended. */
  readonly sent: Sent[] = [];
  readonly #url: string;
  readonly #options: RequestOptions;
  readonly #pause: number;
  readonly #clients: Promise<void>[];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #stopped = false;

  /**
   * @param cookies sessions that are logged in; they read, in turns.
   * @param options.pause between two requests of each client, in milliseconds; the other options are for each request.
   */
  constructor(
    url: string,
    cookies: string[],
    { pause = 20, ...options }: RequestOptions & { pause?: number } = {},
  ) {
    this.#url = url;
    this.#options = options;
    this.#pause = pause;
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

  /** Ends the load, once all that was sent is answered. After a minute it gives up, and the outcome is an error. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const deadline = setTimeout(() => this.#ending.abort(), 60_000);
    await Promise.all(this.#clients);
    clearTimeout(deadline);
  }

  /** Waits for a request to `path`, sent from now on, with that outcome. */
  async until(path: string, outcome: Outcome): Promise<void> {
    const now = performance.now();
    const outcomes = () =>
      this.sent.filter(({ what, begun }) => what === path && begun > now).map((it) => it.outcome);
    const message = `the outcomes of ${path}, in a minute`;
    await expect.poll(outcomes, { interval: 10, timeout: 60_000, message }).toContain(outcome);
  }

  /** @returns the requests that got no 200. @param method only those of one method. @param since leaves out so many. */
  failed(method = '', since = 0) {
    const isFailed = (it: Sent) => it.outcome !== 200 && (!method || it.method === method);
    return this.sent.slice(since).filter(isFailed);
  }

  /** Waits until each request that has been sent up to now is answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  async #repeat(send: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      const sending = send();
      this.#inFlight.add(sending);
      await sending;
      this.#inFlight.delete(sending);
      await pause(this.#pause);
    }
  }

  async #send(method: string, what: string, headers = {}, body?: string): Promise<void> {
    const begun = performance.now();
    const connection = { ...this.#options, agent: false, signal: this.#ending.signal } as const;
    const sending = send(method, this.#url + what, headers, body, connection);
    const outcome = await sending.catch(({ code }) => code);
    this.sent.push({ method, what, begun, outcome });
  }
}
