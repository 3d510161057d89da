import type { SessionData, Store } from 'express-session';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

/** A store to be held to the contract, and what surrounds it. */
export interface Subject {
  store: Store;
  /** Makes whatever the store keeps its sessions in fail, until `mend`. */
  break?(): Promise<void>;
  mend?(): Promise<void>;
  /** Puts something that is no session into the place of a session that the store has. */
  spoil?(sid: string): Promise<void>;
  /** Counts the statements that write, since the store was made. */
  writes?(): number;
  /** Closes what was opened. */
  close?(): Promise<void>;
}

/**
 * The store contract: holds a store to what express-session expects of it, and to what people rely on.
 *
 * To run it on a store of your own, copy this file, which needs nothing but vitest, and write:
 *
 *     import { describeStore } from './store-contract.ts';
 *
 *     describeStore('MyStore', async () => {
 *       const database = await openEmptyDatabase();
 *       return { store: new MyStore(database), close: () => database.close() };
 *     });
 *
 * With `break` and `mend` it is also tried with a database that fails, with `spoil` on a row that cannot
 * be read, with `writes` on what it writes without need. What a store cannot show is skipped.
 *
 * @param create makes an empty store; called for each test.
 * @param departures the names of the tests that the store is known to fail. On the day that it passes
 *   one of them, that test fails and says so.
 */
export function describeStore(
  name: string,
  create: () => Promise<Subject> | Subject,
  departures: string[] = [],
): void {
  let subject: Subject;
  let store: Store;

  const seen = new Set<string>();
  const it = (sentence: string, run: () => Promise<void>, needs: (keyof Subject)[] = []) => {
    seen.add(sentence);
    const declare = departures.includes(sentence) ? test.fails : test;
    declare(sentence, async ({ skip }) => {
      for (const need of needs) skip(!subject[need], `its factory gives no ${need}()`);
      await run();
    });
  };

  describe(`${name} keeps the contract of a session store:`, () => {
    beforeEach(async () => {
      subject = await create();
      ({ store } = subject);
    });

    afterEach(async () => {
      vi.useRealTimers();
      await subject.close?.();
    });

    it('gives back the session that it was given', async () => {
      await set('a', session({ userId: 1 }));
      expect(await get('a')).toMatchObject({ userId: 1, cookie: { httpOnly: true, path: '/' } });
    });

    it('knows no session by an unknown id, and that is no error', async () => {
      expect(await get('unknown')).toBeUndefined();
      await destroy('unknown');
    });

    it('replaces a session that is saved again', async () => {
      await set('a', session({ userId: 1, theme: 'dark' }));
      await set('a', session({ userId: 2 }));
      const found = await get('a');
      expect(found).toMatchObject({ userId: 2 });
      expect(found).not.toHaveProperty('theme');
    });

    it('keeps every character, in payloads and in ids', async () => {
      const text = `Zoë 日本語 👩‍🚀 "quoted" 'single' \\ % _ ; -- ${'\u0001'} \u2028 null`;
      await set(`id' OR 1=1 --`, session({ text }));
      expect(await get(`id' OR 1=1 --`)).toMatchObject({ text });
      expect(await get('id')).toBeUndefined();
    });

    it('keeps a payload of a million characters', async () => {
      const text = 'x'.repeat(1_000_000);
      await set('a', session({ text }));
      expect((await get('a')) ?? {}).toHaveProperty('text', text);
    });

    it('gives each reader a copy: who changes it changes nothing in the store', async () => {
      await set('a', session({ basket: ['apple'] }));
      Reflect.get((await get('a')) ?? {}, 'basket').push('pear');
      expect(await get('a')).toMatchObject({ basket: ['apple'] });
    });

    it('keeps 50 sessions that are saved at once', async () => {
      const ids = Array.from({ length: 50 }, (_, index) => `session-${index}`);
      await Promise.all(ids.map((id) => set(id, session({ id }))));
      const found = await Promise.all(ids.map((id) => get(id)));
      expect(found.map((session) => Reflect.get(session ?? {}, 'id'))).toEqual(ids);
    });

    it('takes 20 saves of one new id at once', async () => {
      const saves = Array.from({ length: 20 }, () => set('a', session({ userId: 1 })));
      await Promise.all(saves);
      expect(await get('a')).toMatchObject({ userId: 1 });
    });

    it('forgets a session that was destroyed', async () => {
      await set('a', session());
      await set('b', session());
      await destroy('a');
      expect(await get('a')).toBeUndefined();
      expect(await get('b')).toBeDefined();
    });

    it('lets a session live until the second that its cookie names, and no longer', async () => {
      const clock = stopClock();
      await set('a', session({}, 10_000));
      clock.goOn(9_000);
      expect(await get('a'), 'a second before').toBeDefined();
      clock.goOn(2_000);
      expect(await get('a'), 'a second after').toBeUndefined();
    });

    it('lets a session live on when it is touched', async () => {
      const clock = stopClock();
      await set('a', session({ userId: 1 }, HOUR));
      clock.goOn(HOUR / 2);
      await touch('a', await load('a'));
      clock.goOn(HOUR - 2000);
      expect(await get('a'), 'touched within the hour').toMatchObject({ userId: 1 });
      clock.goOn(4000);
      expect(await get('a'), 'an hour after the touch').toBeUndefined();
    });

    it('lets a session of a few seconds live on as well', async () => {
      const clock = stopClock();
      await set('a', session({}, 10_000));
      for (let second = 0; second < 20; second += 5) {
        clock.goOn(5_000);
        await touch('a', await load('a'));
      }
      expect(await get('a')).toBeDefined();
    });

    it('tells when a touched session really ends', async () => {
      const clock = stopClock();
      await set('a', session({}, HOUR));
      clock.goOn(HOUR / 2);
      await touch('a', await load('a'));
      const expires = (await get('a'))?.cookie.expires;
      expect(new Date(expires || 0)).toEqual(new Date(Date.now() + HOUR));
    });

    it('lets a session whose cookie has no date live on with its user', async () => {
      const clock = stopClock();
      await set('a', session({}, null));
      for (let hours = 0; hours < 48; hours += 12) {
        clock.goOn(12 * HOUR);
        await touch('a', await load('a'));
      }
      expect((await get('a'))?.cookie, 'still without a date').toMatchObject({
        originalMaxAge: null,
      });
    });

    it('saves nothing but the expiry when it is touched', async () => {
      await set('a', session({ userId: 1 }));
      const old = await load('a');
      await set('a', session({ userId: 2 })); // by another request, meanwhile
      await touch('a', old);
      expect(await get('a')).toMatchObject({ userId: 2 });
    });

    it('brings nothing back by a touch: logout wins', async () => {
      await set('a', session());
      const late = await load('a');
      await destroy('a');
      await touch('a', late);
      expect(await get('a')).toBeUndefined();
    });

    it('brings nothing back by a save in flight: logout wins', async () => {
      await set('a', session());
      const late = Object.assign(await load('a'), { theme: 'dark' });
      await destroy('a');
      await set('a', late);
      expect(await get('a'), 'the late save has brought the session back').toBeUndefined();
    });

    it('brings nothing back by a save in flight: expiry wins', async () => {
      const clock = stopClock();
      await set('a', session({}, HOUR));
      const late = Object.assign(await load('a'), { theme: 'dark' });
      clock.goOn(HOUR + 2000);
      late.cookie.maxAge = HOUR; // as express-session does at the end of each request
      await set('a', late);
      expect(await get('a'), 'the late save has brought the session back').toBeUndefined();
    });

    it('saves a session that changed, and one that is to live longer', async () => {
      await set('a', session({}, HOUR));
      await set('a', Object.assign(await load('a'), { theme: 'dark' }));
      const longer = await load('a');
      longer.cookie.maxAge = 30 * 24 * HOUR;
      await set('a', longer);
      const found = await get('a');
      // express-session computes the age back from the expiry, which can cost it a millisecond.
      const originalMaxAge = expect.closeTo(30 * 24 * HOUR, -3);
      expect(found).toMatchObject({ theme: 'dark', cookie: { originalMaxAge } });
    });

    it('writes nothing for a request that changes nothing', async () => {
      await set('a', session());
      const { writes = () => 0 } = subject;
      const before = writes();
      await touch('a', await load('a'));
      expect(writes() - before).toBe(0);
    }, ['writes']);

    it('lists the live sessions', async () => {
      const clock = stopClock();
      await set('old', session({ userId: 0 }, HOUR));
      clock.goOn(2 * HOUR);
      await set('a', session({ userId: 1 }));
      await set('b', session({ userId: 2 }));
      const found = Object.values((await call('all')) ?? {});
      expect(found.map((session) => Reflect.get(session, 'userId')).sort()).toEqual([1, 2]);
    });

    it('counts its sessions', async () => {
      expect(await call('length')).toBe(0);
      await set('a', session());
      await set('b', session());
      await destroy('a');
      expect(await call('length')).toBe(1);
    });

    it('forgets all of them when it is cleared', async () => {
      await set('a', session());
      await set('b', session());
      await call('clear');
      expect(await get('a')).toBeUndefined();
      expect(await call('length')).toBe(0);
    });

    it('works for callers who do not wait for it', async () => {
      await set('a', session());
      const loaded = await load('a');
      await Promise.all([store.set('b', session()), store.touch?.('a', loaded)]);
      await vi.waitFor(async () => expect(await get('b')).toBeDefined());
    });

    it('takes what is no session for none, without an error', async () => {
      await set('a', session());
      await set('b', session({ userId: 2 }));
      await subject.spoil?.('a');
      vi.spyOn(console, 'error').mockImplementation(() => {}); // it may say so there
      expect(await get('a')).toBeUndefined();
      expect(await get('b')).toMatchObject({ userId: 2 });
      expect(Object.values((await call('all')) ?? {}), 'the others in the list').toHaveLength(1);
    }, ['spoil']);

    const faults: ('break' | 'mend')[] = ['break', 'mend'];
    const calls: [Method, ...unknown[]][] = [
      ['get', 'a'],
      ['set', 'a', session()],
      ['destroy', 'a'],
      ['all'],
      ['length'],
      ['clear'],
    ];
    for (const [method, ...args] of calls) {
      it(
        `tells of a failing ${method} by the callback, once, and in no other way`,
        async () => {
          await set('a', session());
          await subject.break?.();
          const outcome = await observe(method, ...args);
          expect(outcome.calls, 'calls of the callback').toHaveLength(1);
          expect(outcome.calls[0]?.[0], 'the error').toBeInstanceOf(Error);
          expect(outcome.rejected, 'the promise').toBe(false);
        },
        faults,
      );
    }

    it(
      'calls back once for a failing touch, and leaves it at that',
      async () => {
        await set('a', session({}, HOUR));
        const loaded = await load('a');
        loaded.cookie.maxAge = 2 * HOUR;
        await subject.break?.();
        vi.spyOn(console, 'error').mockImplementation(() => {});
        const { calls, rejected } = await observe('touch', 'a', loaded);
        expect({ calls: calls.length, rejected }).toEqual({ calls: 1, rejected: false });
      },
      faults,
    );

    it(
      'has every session again after a failure',
      async () => {
        await set('a', session({ userId: 1 }));
        await subject.break?.();
        vi.spyOn(console, 'error').mockImplementation(() => {});
        for (let time = 0; time < 3; time++) {
          await observe('get', 'a');
          await observe('set', 'b', session());
        }
        await subject.mend?.();
        expect(await get('a')).toMatchObject({ userId: 1 });
        await set('b', session({ userId: 2 }));
        expect(await get('b')).toMatchObject({ userId: 2 });
      },
      faults,
    );

    const unknown = departures.filter((sentence) => !seen.has(sentence));
    if (unknown.length > 0) throw new Error(`No test is called "${unknown.join('" or "')}".`);
  });

  const get = async (sid: string) => ((await call('get', sid)) as SessionData | null) ?? undefined;
  const set = (sid: string, data: SessionData) => call('set', sid, data);
  const touch = (sid: string, data: SessionData) => call('touch', sid, data);
  const destroy = (sid: string) => call('destroy', sid);

  /** Gets a session as express-session does for a request. */
  async function load(sid: string) {
    const data = await get(sid);
    if (!data) throw new Error(`The store has no session ${sid}.`);
    const request: Parameters<Store['createSession']>[0] = Object.create(null);
    Object.assign(request, { sessionID: sid, sessionStore: store });
    const session = store.createSession(request, data);
    session.touch(); // express-session does so at the end of each request
    return session;
  }

  /** Calls a method, and gives what it calls back with. Whatever else it does is a failure. */
  async function call(method: Method, ...args: unknown[]): Promise<unknown> {
    const { calls, rejected } = await observe(method, ...args);
    expect(calls, `calls of the callback of ${method}`).toHaveLength(1);
    expect(rejected, `the promise of ${method} was rejected`).toBe(false);
    const [error, result] = calls[0] ?? [];
    if (error) throw error;
    return result;
  }

  /** Calls a method, and waits until it is settled: called back, or its promise too if it gave one. */
  async function observe(method: Method, ...args: unknown[]) {
    const calls: unknown[][] = [];
    let rejected = false;
    const called = new Promise<void>((resolve) => {
      const callback = (...answer: unknown[]) => {
        calls.push(answer);
        resolve();
      };
      const promise: unknown = Reflect.apply(store[method] ?? fail(method), store, [
        ...args,
        callback,
      ]);
      // Express-session drops the promise. Here it is caught, for it would end the process.
      if (promise instanceof Promise) {
        promise.then(
          () => setImmediate(resolve),
          () => {
            rejected = true;
            setImmediate(resolve);
          },
        );
      }
    });
    await called;
    await new Promise((resolve) => setImmediate(resolve)); // for a second call, or a late rejection
    await new Promise((resolve) => setImmediate(resolve));
    return { calls, rejected };
  }
}

type Method = 'get' | 'set' | 'touch' | 'destroy' | 'all' | 'length' | 'clear';

const HOUR = 60 * 60 * 1000; // in milliseconds

function fail(method: string): never {
  throw new Error(`The store has no method ${method}.`);
}

/** A new session, with a cookie as express-session makes it. @param maxAge in milliseconds. */
function session(data: object = {}, maxAge: number | null = HOUR): SessionData {
  const expires = maxAge === null ? null : new Date(Date.now() + maxAge);
  const cookie = { originalMaxAge: maxAge, expires, maxAge: maxAge ?? undefined };
  return Object.assign({ cookie: { ...cookie, httpOnly: true, path: '/' } }, data) as SessionData;
}

/** Stops the clock; it goes on by `goOn`, in milliseconds. Timers are left alone: stores need them. */
function stopClock() {
  vi.useFakeTimers({ toFake: ['Date'] });
  return { goOn: (duration: number) => vi.setSystemTime(Date.now() + duration) };
}
