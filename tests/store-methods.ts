import type { SessionData, Store } from 'express-session';
import type { Knex } from 'knex';
import { onTestFinished, vi } from 'vitest';
import { resultOf } from '#steps/shared/store-contents.ts';
import { HOUR } from './clock.ts';

/** A session as express-session makes it. @param maxAge in milliseconds; by default, it ends in an hour. */
export function newSession(data: object = {}, maxAge = HOUR): SessionData {
  const expires = new Date(Date.now() + maxAge);
  const cookie = { originalMaxAge: maxAge, maxAge, expires, httpOnly: true, path: '/' };
  return Object.assign(Object.create(null), { cookie }, data);
}

/** Calls each method of a store, one after the other. @returns how each promise settled, and what it called back with */
export async function callEach(store: Store) {
  const calls = {
    get: ['id'],
    set: ['id', newSession()],
    touch: ['id', newSession()],
    destroy: ['id'],
    all: [],
    length: [],
    clear: [],
  };
  const outcomes: { method: string; promise: string; calls: unknown[][] }[] = [];
  for (const [method, args] of Object.entries(calls)) {
    const calls: unknown[][] = [];
    const done = (...call: unknown[]) => calls.push(call);
    const promise = Reflect.apply(Reflect.get(store, method), store, [...args, done]);
    const [{ status }] = await Promise.allSettled([promise]);
    await new Promise(setImmediate); // what is called on a later tick has been called now
    outcomes.push({ method, promise: status, calls });
  }
  return outcomes;
}

/** Uses all connections of a pool. @returns a function that frees them, as the end of the test does */
export async function holdConnections(knex: Knex): Promise<() => Promise<void>> {
  const held: Knex.Transaction[] = [];
  while (held.length < knex.client.pool.max) held.push(await knex.transaction());
  const release = async () => {
    for (const transaction of held.splice(0)) await transaction.rollback();
  };
  onTestFinished(release);
  return release;
}

/** Captures the lines of `console.error` instead of printing them. @returns a function that returns them */
export function captureErrorLog(): () => string[] {
  const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
  return () => printed.mock.calls.flat().map(String);
}

/** Loads a session as the middleware does for a request. */
export async function load(store: Store, sid: string): Promise<SessionData> {
  const session = await resultOf<SessionData>((done) => store.load(sid, done));
  if (!session) throw new Error(`The store has no session ${sid}.`);
  return session;
}
