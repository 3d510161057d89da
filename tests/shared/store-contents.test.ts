import { promisify } from 'node:util';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import session, { type Store } from 'express-session';
import createMemoryStore from 'memorystore';
import { describe, expect, test } from 'vitest';
import { countSessions, readSession, tableOf } from '#steps/shared/store-contents.ts';
import { HOUR, stopClock } from '#tests/clock.ts';
import { newSession } from '#tests/store-methods.ts';
import { temporaryDatabase } from '#tests/temporary.ts';

const MemoryStore = createMemoryStore(session);

describe.each([
  ['MemoryStore', undefined, async () => new session.MemoryStore()],
  ['memorystore', undefined, async () => new MemoryStore({})],
  ['connect-session-knex', 'sessions', async () => new ConnectSessionKnexStore(await onKnex())],
] as const)('the contents of %s', (_name, table, create) => {
  test('are read by id, and counted whether expired or not', async () => {
    const clock = stopClock();
    const store = await create();
    await save(store, 'a');
    await save(store, 'b');
    expect(tableOf(store)).toBe(table);
    const read = await readSession(store, 'a');
    expect(read?.session).toMatchObject({ flash: 'hello', cookie: { path: '/' } });
    expect(read?.row && [read.row.table, read.row.sid]).toEqual(table && [table, 'a']);
    expect(await readSession(store, 'c'), 'found under an unknown id').toBeUndefined();
    await clock.advance(2 * HOUR);
    expect(await countSessions(store), 'expired sessions are not counted').toBe(2);
  });
});

test('a row whose payload is not JSON is shown as it is', async () => {
  const options = await onKnex();
  const store = new ConnectSessionKnexStore(options);
  await save(store, 'a');
  await options.knex('sessions').update({ sess: '{"cookie":' });
  expect((await readSession(store, 'a'))?.session).toEqual({ 'not JSON': '{"cookie":' });
});

test('the error of a store is passed on', async () => {
  class FailingStore extends session.MemoryStore {
    override get(_sid: string, done: (error: unknown) => void) {
      done(new Error('The disk is full.'));
    }
  }
  const outcome = await readSession(new FailingStore(), 'a').catch(String);
  expect(outcome, 'the error was dropped').toBe('Error: The disk is full.');
});

async function onKnex() {
  return { knex: await temporaryDatabase(), cleanupInterval: 0 };
}

/** Saves a session that lives for an hour. */
function save(store: Store, sid: string): Promise<void> {
  return promisify(store.set.bind(store))(sid, newSession({ flash: 'hello' }));
}
