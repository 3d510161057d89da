import { promisify } from 'node:util';
import type { SessionData, Store } from 'express-session';
import { expect, vi } from 'vitest';
import type { SessionStore } from '#steps/07-cheap-reads/store.ts';
import { HOUR } from './clock.ts';

const PATIENCE = 15_000; // in milliseconds: shorter than the time limit of a test
const { setTimeout, clearTimeout } = globalThis; // a test may stop the clock

type Done = (error: unknown, result?: unknown) => void;

/** A store of this tutorial: its methods also return a promise. */
export type OwnStore = Pick<SessionStore, Method | 'close'> & { prune?(): Promise<void> } & Store;
type Method = 'get' | 'set' | 'touch' | 'destroy' | 'all' | 'length' | 'clear';

/** A session as express-session makes it, which ends in an hour. */
export function newSession(data: object = {}, maxAge = HOUR): SessionData {
  const expires = new Date(Date.now() + maxAge);
  const cookie = { originalMaxAge: maxAge, maxAge, expires, httpOnly: true, path: '/' };
  return Object.assign(Object.create(null), { cookie }, data);
}

/** Calls each method of a store, one after the other. @returns how each promise settled, and what it called back with */
export async function callEach(store: OwnStore) {
  const methods: Record<Method, (done: Done) => Promise<unknown>> = {
    get: (done) => store.get('id', done),
    set: (done) => store.set('id', newSession(), done),
    touch: (done) => store.touch('id', newSession(), done),
    destroy: (done) => store.destroy('id', done),
    all: (done) => store.all(done),
    length: (done) => store.length(done),
    clear: (done) => store.clear(done),
  };
  const outcomes: { method: string; promise: string; calls: unknown[][] }[] = [];
  for (const [method, call] of Object.entries(methods)) {
    const calls: unknown[][] = [];
    const promise = call((...call) => calls.push(call));
    const what = `the promise of ${method} never settles`;
    const [{ status }] = await soon(Promise.allSettled([promise]), what);
    await new Promise(setImmediate); // what is called on a later tick has been called now
    outcomes.push({ method, promise: status, calls });
  }
  return outcomes;
}

/** Captures the lines of `console.error` instead of printing them. @returns a function that returns them */
export function captureErrorLog(): () => string[] {
  const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
  return () => printed.mock.calls.flat().map(String);
}

/**
 * Expects exactly one line in the error log, in any words, without the secrets.
 *
 * @param what the line should report.
 */
export function expectOneLine(lines: string[], secrets: string[], what: string): void {
  expect(lines, `report ${what} in one line of the log`).toEqual([expect.stringMatching(/^.+$/)]);
  for (const secret of secrets) {
    expect(lines[0], 'the log shows a session id, or what is in a row').not.toContain(secret);
  }
}

/** Waits until a method has called back. @returns the arguments of each callback, including later ones */
export function callbackOf(
  method: (done: (...call: unknown[]) => void) => unknown,
): Promise<unknown[][]> {
  const calls: unknown[][] = [];
  const called = new Promise<unknown[][]>((resolve) => {
    method((...call) => {
      calls.push(call);
      resolve(calls);
    });
  });
  const [, name = 'the store'] = /\.(\w+)\(/.exec(String(method)) ?? [];
  return soon(called, `${name} never calls back`);
}

/** Loads a session as the middleware does for a request. */
export async function load(store: Store, sid: string): Promise<SessionData> {
  const loading = promisify(store.load.bind(store))(sid);
  const session = await soon(loading, 'get never calls back');
  if (!session) throw new Error(`The store has no session ${sid}.`);
  return session;
}

/** Gets a session as it is in the store, or null. */
export async function getSession(store: Store, sid: string): Promise<SessionData | null> {
  return (await soon(promisify(store.get.bind(store))(sid), 'get never calls back')) ?? null;
}

/** Waits for a store that may be unfinished. @throws when the store takes too long. */
async function soon<T>(work: Promise<T>, problem: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const advice = `${problem}. Each method calls back once, and its promise ends, whatever happens: chapter 5, The code`;
    timer = setTimeout(() => reject(new Error(advice)), PATIENCE);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
