import { promisify } from 'node:util';
import type { SessionData, Store } from 'express-session';
import { expect, vi } from 'vitest';
import type { SessionStore } from '#steps/07-cheap-reads/store.ts';
import { HOUR } from './clock.ts';

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
    const [{ status }] = await Promise.allSettled([call((...call) => calls.push(call))]);
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
  return new Promise((resolve) => {
    method((...call) => {
      calls.push(call);
      resolve(calls);
    });
  });
}

/** Loads a session as the middleware does for a request. */
export async function load(store: Store, sid: string): Promise<SessionData> {
  const session = await promisify(store.load.bind(store))(sid);
  if (!session) throw new Error(`The store has no session ${sid}.`);
  return session;
}

/** Gets a session as it is in the store, or null. */
export async function getSession(store: Store, sid: string): Promise<SessionData | null> {
  return (await promisify(store.get.bind(store))(sid)) ?? null;
}
