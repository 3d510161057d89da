import { ConnectSessionKnexStore } from 'connect-session-knex';
import session, { type Store } from 'express-session';
import createMemoryStore from 'memorystore';
import { describe, expect, test } from 'vitest';
import { HOUR, stopClock } from '#tests/clock.ts';
import { newSession } from '#tests/store-methods.ts';
import { temporaryDatabase } from '#tests/temporary.ts';
import { readStore, resultOf } from './store-contents.ts';

const MemoryStore = createMemoryStore(session);

describe.each([
  ['MemoryStore', null, async () => new session.MemoryStore()],
  ['memorystore', null, async () => new MemoryStore({})],
  ['connect-session-knex', 'sessions', async () => new ConnectSessionKnexStore(await onKnex())],
] as const)('the contents of %s', (_name, table, create) => {
  test('are read by id, and counted whether expired or not', async () => {
    const clock = stopClock();
    const store = await create();
    await save(store, 'a');
    await save(store, 'b');
    const { session, row } = await readStore(store, 'a');
    expect(session).toMatchObject({ flash: 'hello', cookie: { path: '/' } });
    expect(row?.sid).toBe(table ? 'a' : undefined);
    await clock.advance(2 * HOUR);
    expect(await readStore(store, 'c')).toEqual({ table, sessions: 2, session: null, row: null });
  });
});

test('a row whose payload is not JSON is shown as it is', async () => {
  const options = await onKnex();
  const store = new ConnectSessionKnexStore(options);
  await save(store, 'a');
  await options.knex('sessions').update({ sess: '{"cookie":' });
  expect((await readStore(store, 'a')).session).toEqual({ 'not JSON': '{"cookie":' });
});

test('the error of a store is passed on', async () => {
  class FailingStore extends session.MemoryStore {
    override get(_sid: string, done: (error: unknown) => void) {
      done(new Error('The disk is full.'));
    }
  }
  const outcome = await readStore(new FailingStore(), 'a').catch(String);
  expect(outcome).toBe('Error: The disk is full.');
});

async function onKnex() {
  return { knex: await temporaryDatabase(), cleanupInterval: 0 };
}

/** Saves a session that lives for an hour. */
function save(store: Store, sid: string) {
  return resultOf((done) => store.set(sid, newSession({ flash: 'hello' }), done));
}
