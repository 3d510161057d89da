import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import express, { type Request, type RequestHandler, type Response } from 'express';
import expressSession, { type SessionData, type SessionOptions, type Store } from 'express-session';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

/**
 * A store to test, which extends express-session's `Store`, and what the contract may do to its storage. A promise is
 * skipped if what it needs is missing here. Each function may return a promise.
 *
 * - `breakStorage` makes every access to the storage fail, until `restoreStorage`.
 * - `corrupt` overwrites a stored session with a text, or if the storage refuses that, with any other
 *   that holds no session.
 * - `writes` returns how often the store has written to its storage so far.
 * - `setTime` sets the clock of the storage, if the store takes the time from there, and not from `Date`.
 * - `close` closes the store and deletes its storage.
 *
 * To test your own, write a function that makes it on an empty storage, and type `npm run contract ./my-store.ts`:
 *
 *     export async function createStore() {
 *       const database = await openEmptyDatabase();
 *       return { store: new MyStore(database), close: () => database.close() };
 *     }
 */
export interface Subject {
  store: Store;
  breakStorage?(): unknown;
  restoreStorage?(): unknown;
  corrupt?(sid: string, text: string): unknown;
  writes?(): number;
  setTime?(now: Date): unknown;
  close?(): unknown;
}

/** Departures of a store whose `set` always upserts, which is all that express-session asks for. */
export const upserts = [
  'a late save does not revive a logged-out session',
  'a late save does not revive an expired session',
  'a second save of a new session does not revive it after a logout',
];

/**
 * The store contract: what a session store for express-session promises. Each promise is one test.
 *
 * - **required**: express-session's README asks for it (see "Session Store Implementation" there), or its middleware
 *   goes wrong without it: it never looks at the expiry of a stored session, for example, so the store must. A store
 *   that breaks one of these promises has a bug.
 * - **stronger**: people rely on it, but express-session does not ask for it. A store that does not keep it is not
 *   faulty, but you should know before you choose it.
 *
 * A store may lack the methods that express-session does not require: `touch`, `all`, `length` and `clear`. In each
 * test, `Date` stands still, and timers run.
 *
 * To use this file in another project, copy it: it needs vitest, express and express-session.
 *
 * @param create makes a store: see `Subject`. It is called once per test.
 * @param departures promises that the store is known not to keep, by name. A test fails once the store keeps one.
 */
export function describeStore(
  name: string,
  create: () => Promise<Subject> | Subject,
  { departures = [] }: { departures?: readonly string[] } = {},
): void {
  let subject: Subject;
  let store: Store;
  let server: Server | undefined;
  let rejections: unknown[] = []; // of promises, which express-session does not handle
  let exceptions: unknown[] = []; // that nothing caught
  const unknown = new Set(departures); // those that name no promise

  const get = async (sid: string) => ((await call('get', sid)) as SessionData | null) ?? undefined;
  const set = (sid: string, session: SessionData) => call('set', sid, session);
  const touch = (sid: string, session: SessionData) => call('touch', sid, session);
  const destroy = (sid: string) => call('destroy', sid);
  const has = async (sid: string) => (await get(sid)) !== undefined;
  const all = async (): Promise<SessionData[]> => Object.values(Object(await call('all')));

  describe(`store contract: ${name}`, () => {
    beforeAll(() => {
      expect([...unknown], 'departures that are no promise').toEqual([]);
      const listeners = process.listeners('unhandledRejection'); // vitest's: they would fail the run
      process.removeAllListeners('unhandledRejection');
      process.on('unhandledRejection', (error) => rejections.push(error));
      process.setUncaughtExceptionCaptureCallback((error) => exceptions.push(error));
      return () => {
        process.setUncaughtExceptionCaptureCallback(null);
        process.removeAllListeners('unhandledRejection');
        for (const listener of listeners) process.on('unhandledRejection', listener);
      };
    });

    beforeEach(async () => {
      subject = await create();
      ({ store } = subject);
      [rejections, exceptions] = [[], []]; // those of the store before have come by now
      vi.useFakeTimers({ toFake: ['Date'] }); // no timers: a store may need them to answer
      vi.spyOn(console, 'error').mockImplementation(() => {}); // a store may log what it survives
      return async () => {
        vi.useRealTimers();
        vi.restoreAllMocks();
        server?.close().closeAllConnections();
        await subject.close?.();
      };
    });

    describe('required', required);
    describe('stronger', stronger);
  });

  function required() {
    const text = `Zoë 日本語 👩‍🚀 "quoted" 'single' \\ % _ ; -- ${'\u0001'} \u2028 null`;
    it('returns the session that was set', () => keepText(text));
    it('finds no session under an unknown id, without an error', async () => {
      expect(await get('unknown')).toBeUndefined();
      await destroy('unknown');
    });

    it('replaces a session that is set again, even if only its cookie has changed', async () => {
      await set('a', newSession({ userId: 1, theme: 'dark' }));
      await set('a', newSession({ userId: 2 }));
      const session = await load('a');
      expect([Reflect.get(session, 'userId'), 'theme' in session]).toEqual([2, false]);
      session.cookie.sameSite = 'strict';
      await set('a', session);
      expect(await get('a')).toMatchObject({ cookie: { sameSite: 'strict' } });
    });

    it('stores a loaded session under another id', async () => {
      await set('a', newSession({ userId: 1 }));
      await set('b', await load('a'));
      expect(await get('b'), 'what was saved under a second id').toMatchObject({ userId: 1 });
    });

    it('tells ids apart, even odd ones', () => tellApart(oddIds));
    it('gives each reader a copy', async () => {
      await set('a', newSession({ basket: ['apple'] }));
      Reflect.get(await load('a'), 'basket').push('pear');
      expect(await get('a'), 'changed, but not saved').toMatchObject({ basket: ['apple'] });
    });

    it('accepts 50 saves at the same time, of one new session and of many', async () => {
      const ids = Array.from({ length: 50 }, (_, index) => (index % 2 ? `${index}` : 'one'));
      await Promise.all(ids.map((id) => set(id, newSession({ id }))));
      expect(await Promise.all(ids.map(get))).toMatchObject(ids.map((id) => ({ id })));
    });

    it('forgets a destroyed session, and no other', async () => {
      for (const id of ['a', 'b']) await set(id, newSession());
      await destroy('a');
      expect([await has('a'), await has('b')]).toEqual([false, true]);
    });

    it('counts, lists and clears its sessions', async () => {
      for (const id of ['a', 'b', 'c']) await set(id, newSession({ id }));
      await destroy('b');
      expect(await call('length')).toBe(2);
      expect((await all()).map((session) => Reflect.get(session, 'id')).sort()).toEqual(['a', 'c']);
      await call('clear');
      expect([await call('length'), await get('a')]).toEqual([0, undefined]);
    }, ['all', 'length', 'clear']);

    it('calls back exactly once', async () => {
      const calls: unknown[][][] = [];
      for (const method of methods) calls.push(await attempt(method));
      expect(calls.map((callbacks) => callbacks.length)).toEqual(methods.map(() => 1));
    });

    it('never rejects a promise (express-session would not handle it)', async () => {
      for (const method of methods) await attempt(method).catch(() => {});
      expectNoAccident();
    });

    it('works without a callback', async () => {
      await set('a', newSession());
      Reflect.apply(store.set, store, ['b', newSession()]);
      Reflect.apply(store.destroy, store, ['a']); // as req.session.destroy() does
      await vi.waitFor(async () => expect((await has('b')) && !(await has('a'))).toBe(true));
      expectNoAccident();
    });

    it('ends a session when its cookie expires', async () => {
      expect(await lasts(8_000, newSession({}, 10_000)), 'two seconds before').toBe(true);
      expect(await lasts(12_000, newSession({}, 10_000)), 'two seconds after').toBe(false);
    });

    it('never returns a session that was set with a past expiry', async () =>
      expect(await lasts(0, newSession({}, -HOUR))).toBe(false));
    it('accepts a cookie that has no expiry', async () =>
      expect(await lasts(0, Object.assign(newSession(), { cookie: {} }))).toBe(true));

    it('keeps a touched session alive', async () => {
      await set('a', newSession());
      await use(0.75 * HOUR, 4); // it loads the session each time
      await advance(1.75 * HOUR);
      expect(await has('a'), '105 minutes after its last touch').toBe(false);
    }, ['touch']);

    it('a touch does not overwrite what another request saved', async () => {
      await set('a', newSession({ userId: 1 }));
      const early = await load('a', 2 * HOUR); // a change, so the touch has something to write
      await set('a', newSession({ userId: 2 }));
      await touch('a', early);
      const advice = 'touch overwrote the session: write only its cookie and the expiry';
      expect(await get('a'), advice).toMatchObject({ userId: 2 });
    }, ['touch']);

    it('a touch with another cookie keeps any text', async () => {
      for (const text of ['\u0000', '😀'.slice(0, 1), '\\u0000', '{"cookie":{}}']) {
        await set('a', newSession({ text }));
        const session = await load('a', 2 * HOUR);
        session.cookie.sameSite = 'strict';
        await touch('a', session);
        await advance(1.5 * HOUR);
        expect(await get('a'), `with ${JSON.stringify(text)}`).toMatchObject({ text });
      }
    }, ['touch']);

    it('a touch does not revive a logged-out session', () => revive('touch'), ['touch']);
    it('a touch does not revive an expired session', () => revive('touch', HOUR), ['touch']);

    for (const method of methods) {
      const mayHide = method === 'touch'; // the error could only spoil the response that is on its way
      const promise = `reports a failing ${method} once, through the callback`;
      it(mayHide ? 'calls back once for a failing touch' : promise, async () => {
        await set('a', newSession());
        await subject.breakStorage?.();
        const callbacks = await attempt(method);
        expect(callbacks, `how often ${method} called back`).toHaveLength(1);
        if (!mayHide) expect(callbacks[0]?.[0]).toBeInstanceOf(Error);
        expectNoAccident();
      }, ['breakStorage', method]);
    }

    it('middleware: a login with regenerate and save moves to a new session', async () => {
      const browser = await browse((req, res) => {
        req.session.regenerate(() => {
          Object.assign(req.session, { userId: 1 });
          req.session.save(() => show(req, res));
        });
      });
      const before = await browser.read('/?basket=full');
      const after = await browser.read('/route');
      expect(await browser.read('/')).toMatchObject({ sid: after.sid, userId: 1 });
      expect(await get(before.sid), 'the session from before the login').toBeUndefined();
    });

    it('middleware: keeps what express-session documents for a cookie', () => setCookies());

    for (const [options, path, ...needs] of [
      ['{"resave":true}', '/?name=ada'],
      ['{"rolling":true}', '/?name=ada', 'touch'],
      ['{"saveUninitialized":true}', '/', 'touch'],
      ['{"cookie":{"expires":false}}', '/?name=ada'],
    ] as const) {
      it(`middleware: with ${options}, a session lives as long as it is used`, async () => {
        const browser = await browse(show, JSON.parse(options));
        const session = await browser.read(path);
        for (let time = 0; time < 3; time++) {
          await advance(0.75 * HOUR);
          expect(await browser.read('/')).toMatchObject(session);
        }
      }, [...needs]);
    }

    it("middleware: with unset: 'destroy', a route can remove the session", async () => {
      const remove: RequestHandler = (req, res) => res.json(Reflect.set(req, 'session', null));
      const browser = await browse(remove, { unset: 'destroy' });
      const { sid } = await browser.read('/?name=ada');
      await browser.read('/route');
      expect(await get(sid)).toBeUndefined();
    });

    it('middleware: reload loads what another request saved, or reports that nothing is left', async () => {
      const browser = await browse(async (req, res) => {
        if (req.query.logout) await destroy(req.sessionID);
        else await set(req.sessionID, Object.assign(await load(req.sessionID), { theme: 'dark' }));
        Object.assign(req.session, { name: 'not saved' });
        req.session.reload((error) => {
          if (!error) Object.assign(req.session, { reloaded: true });
          res.json({ failed: error instanceof Error });
        });
      });
      const session = await browser.read('/?name=ada');
      expect(await browser.read('/route')).toEqual({ failed: false });
      expect(await browser.read('/')).toMatchObject({ ...session, theme: 'dark', reloaded: true });
      expect(await browser.read('/route?logout=1')).toEqual({ failed: true });
    });

    it('middleware: a failing regenerate reports the error, and the old session remains', async () => {
      const browser = await browse(async (req, res) => {
        await subject.breakStorage?.();
        req.session.regenerate((error) => {
          if (!res.headersSent) res.json({ failed: error instanceof Error });
        });
      });
      const { sid } = await browser.read('/?name=ada');
      expect(await browser.read('/route')).toEqual({ failed: true });
      await subject.restoreStorage?.();
      expect(await get(sid)).toBeDefined();
      expectNoAccident();
    }, ['breakStorage', 'restoreStorage']);

    it('middleware: every response ends, even when the storage fails', async () => {
      const browser = await browse(async (_req, res) => {
        await subject.breakStorage?.();
        res.json({});
      });
      await browser.read('/?name=ada');
      await advance(HOUR / 2); // so there is an expiry to write
      expect(await browser.read('/route'), 'after the touch that failed').toEqual({});
      expect((await browser.visit('/')).status, 'after the get that failed').toBe(500);
      expectNoAccident();
    }, ['breakStorage']);
  }

  function stronger() {
    it('a late save does not revive a logged-out session', () => revive('set'));
    it('a late save does not revive an expired session', () => revive('set', HOUR));

    it('a second save of a new session does not revive it after a logout', async () => {
      const session = newSession();
      await set('a', session);
      await destroy('a');
      await set('a', Object.assign(session, { theme: 'dark' }));
      expect(await get('a'), 'the second save has revived it').toBeUndefined();
    });

    // Express-session sends the headers before it saves or destroys, so the next request of the same
    // browser can reach the store while that is under way. Of all pairs of calls, users notice the order of
    // these five: what was saved is there, the last save counts, and logged out is logged out.
    for (const [first, second, expected] of [
      ['set', 'get', 1],
      ['set', 'set', 2],
      ['set', 'destroy', undefined],
      ['destroy', 'get', undefined],
      ['destroy', 'set', 2],
    ] as const) {
      it(`order: ${first}, then ${second}, without waiting in between`, async () => {
        for (const sid of 'abcdefghijklmnopqrst') {
          await set(sid, newSession({ version: 0 }));
          // After destroy, a new session: a loaded one would make this a late save.
          const make = async (version: number) =>
            Object.assign(first === 'destroy' ? newSession() : await load(sid), { version });
          const [one, two] = [await make(1), await make(2)];
          const actions = { get, set, destroy };
          const [, got] = await Promise.all([actions[first](sid, one), actions[second](sid, two)]);
          const found = Object(second === 'get' ? got : await get(sid));
          expect(found.version, `version in round ${sid}`).toBe(expected);
        }
      });
    }

    it('order: a change that is saved, undone and saved, without waiting in between', async () => {
      await set('a', newSession({ version: 1 }));
      const session = await load('a');
      await Promise.all([2, 1].map((version) => set('a', Object.assign(session, { version }))));
      expect(await get('a'), 'the last save').toMatchObject({ version: 1 });
    });

    it('middleware: the request after a redirect sees what the route changed, or its logout', async () => {
      const browser = await browse((req, res) => {
        if (req.query.logout) req.session.destroy(() => {});
        else Object.assign(req.session, req.query);
        res.redirect('/'); // without waiting
      });
      for (let round = 0; round < 10; round++) {
        // In a new session, then in a loaded one.
        for (const name of ['ada', 'eve']) {
          await browser.visit(`/route?name=${name}`);
          expect(await browser.read('/')).toMatchObject({ name });
        }
        await browser.visit('/route?logout=1');
        expect(await browser.read('/')).not.toHaveProperty('name');
      }
    });

    it('middleware: keeps a change of the cookie alone', () => setCookies('/?name=ada'), ['touch']);

    it('a change of the cookie while a save is under way is not lost', async () => {
      await set('a', newSession());
      const session = await load('a');
      const saving = set('a', session);
      session.cookie.sameSite = 'strict';
      await saving;
      await touch('a', session);
      expect(await get('a')).toMatchObject({ cookie: { sameSite: 'strict' } });
    }, ['touch']);

    it('"remember me" (a longer maxAge) lasts beyond the next request', async () => {
      await set('a', newSession());
      await touch('a', await load('a', 30 * DAY)); // express-session touches when only the cookie changed
      await use(2 * HOUR);
      await advance(DAY);
      expect(await get('a'), 'a day later').toBeDefined();
    }, ['touch']);

    it('a touch with a shorter maxAge ends the session sooner', async () => {
      await set('a', newSession({}, DAY));
      await touch('a', await load('a', HOUR));
      await advance(HOUR + 2000);
      expect(await has('a')).toBe(false);
    }, ['touch']);

    it('ends an idle session at most a minute, or a tenth of its lifetime, too early', async () => {
      for (const lifetime of [10_000, 60_000, HOUR, 30 * DAY]) {
        const loss = Math.min(60_000, lifetime / 10) + 1000; // a second for stores that round
        for (const interval of [0.48 * lifetime, 0.4 * loss]) {
          await set('a', newSession({}, lifetime));
          await use(interval, 5);
          await advance(lifetime - loss);
          expect(await has('a'), `a life of ${lifetime} ms, used every ${interval} ms`).toBe(true);
        }
      }
    }, ['touch']);

    it('get shows when a touched session will end', async () => {
      await set('a', newSession());
      await use(HOUR / 2);
      expect(expiryOf(await get('a')) - Date.now()).toBeGreaterThan(HOUR - 2000);
    }, ['touch']);

    it("keeps a browser-session cookie's session alive while it is used", async () => {
      await set('a', newSession({}, null));
      await use(DAY / 2, 4);
      expect((await load('a')).cookie.originalMaxAge, 'its maxAge').toBeNull();
    }, ['touch']);

    it("ends a browser-session cookie's session within two days of its last use", async () =>
      expect(await lasts(2 * DAY, newSession({}, null))).toBe(false));
    it('keeps a session that ends after the year 9999', async () =>
      expect(await lasts(0, newSession({}, 10_000 * 365 * DAY))).toBe(true));

    it('survives an invalid expiry', async () => {
      await set('a', newSession());
      const session = await load('a', Number.NaN);
      await observe('touch', 'a', session);
      await observe('set', 'a', session);
      await destroy('a');
      await set('a', newSession());
      expect(await get('a'), 'the next session under that id').toBeDefined();
      expectNoAccident();
    }, ['touch']);

    it('all and length leave out expired sessions', async () => {
      await set('expired', newSession());
      await set('a', newSession({}, DAY));
      await advance(2 * HOUR);
      expect(await call('length'), 'length').toBe(1); // first: a store may delete them while it lists
      expect(await all(), 'all').toHaveLength(1);
    }, ['all', 'length']);

    it('all and get agree on when a session ends', async () => {
      await set('a', newSession());
      await use(HOUR / 2);
      expect((await all()).map(expiryOf)).toEqual([expiryOf(await get('a'))]);
    }, ['all', 'touch']);

    it('writes nothing for a request that changes nothing', async () => {
      await set('a', newSession());
      const before = subject.writes?.();
      await touch('a', await load('a'));
      expect(subject.writes?.()).toBe(before);
    }, ['writes', 'touch']);

    it('treats a corrupt session as no session', async () => {
      for (const id of ['a', 'b']) await set(id, newSession());
      await subject.corrupt?.('a', notJson);
      expect([await has('a'), await has('b')]).toEqual([false, true]);
    }, ['corrupt']);

    it('treats JSON that is not a session as no session', async () => {
      for (const text of noSessions) {
        await set('a', newSession());
        const late = await load('a', 2 * HOUR);
        await subject.corrupt?.('a', text);
        await touch('a', late);
        expect(await get('a'), text).toBeUndefined();
      }
    }, ['corrupt', 'touch']);

    it('all leaves out a corrupt session, and lists the others', async () => {
      for (const text of [notJson, ...noSessions]) {
        await set('a', newSession());
        await set('b', newSession({ userId: 2 }));
        await subject.corrupt?.('a', text);
        expect(await all(), text).toMatchObject([{ userId: 2 }]);
        if (store.length) expect(await call('length'), text).toBeTypeOf('number');
      }
    }, ['corrupt', 'all']);

    it('works again when its storage does', async () => {
      await set('a', newSession());
      await subject.breakStorage?.();
      await get('a').catch(() => {});
      await set('b', newSession()).catch(() => {});
      await subject.restoreStorage?.();
      await set('b', newSession());
      expect([await has('a'), await has('b')]).toEqual([true, true]);
    }, ['breakStorage', 'restoreStorage']);

    it('calls back once even when the callback throws', async () => {
      await set('a', newSession());
      const callback = vi.fn(() => expect.unreachable('The callback failed.'));
      setImmediate(() => store.get('a', callback)); // a store may call back at once
      await vi.waitFor(() => expect(callback).toHaveBeenCalled());
      await turn();
      expect([callback.mock.calls.length, rejections]).toEqual([1, []]);
    });

    it('stores a million characters', () => keepText('x'.repeat(1_000_000)));
    const longIds = ['a', 'b'].map((end) => 'x'.repeat(999) + end);
    it('tells ids of a thousand characters apart', () => tellApart(longIds));
  }

  /** Declares the test of a promise. @param needs hooks of the subject and methods of the store. */
  function it(promise: string, run: () => Promise<void>, needs: Need[] = []) {
    unknown.delete(promise);
    const departs = departures.includes(promise);
    test(departs ? `known departure: ${promise}` : promise, async ({ skip }) => {
      for (const need of needs) {
        skip(!(need in subject || Reflect.get(store, need)), `needs ${need}(), which is missing`);
      }
      if (!departs) return run();
      const advice = `${name} keeps this promise: delete it from the departures`;
      await expect(run(), advice).rejects.toBeDefined();
    });
  }

  /** @returns whether the store still has a session some milliseconds after it was set. */
  async function lasts(duration: number, session: SessionData) {
    await set('a', session);
    await advance(duration);
    return has('a');
  }

  async function keepText(text: string) {
    await set('a', newSession({ text }));
    expect(await get('a')).toMatchObject({ cookie: { httpOnly: true, path: '/' } });
    expect(Reflect.get(await load('a'), 'text') === text, 'the same text').toBe(true);
  }

  async function tellApart(ids: string[]) {
    for (const id of ids) {
      expect(await get(id), `the session ${id}, before it was set`).toBeUndefined();
      await set(id, newSession({ id }));
    }
    for (const id of ids) expect(await get(id)).toMatchObject({ id });
  }

  /** Ends a session while a request uses it: after a time, in milliseconds, or by a logout. */
  async function revive(method: 'touch' | 'set', lifetime?: number) {
    await set('a', newSession({}, lifetime));
    const late = Object.assign(await load('a', 2 * HOUR), { theme: 'dark' });
    if (lifetime) await advance(lifetime + 2000);
    else await destroy('a');
    await observe(method, 'a', late.touch()); // it may report an error
    expect(await get('a'), `the late ${method} has revived it`).toBeUndefined();
  }

  /** A route changes the cookie, and the next request finds the change. @param before visited first. */
  async function setCookies(before?: string) {
    const browser = await browse(show, { rolling: true });
    const cookieIn = (response: globalThis.Response) =>
      response.headers.getSetCookie()[0]?.replace(/Expires=[^;]+/, 'Expires');
    for (const attribute of cookies.trim().split(/\s+/)) {
      const cookie = `{${attribute}}`;
      browser.cookie = '';
      if (before) await browser.read(before);
      const first = await browser.visit(`/?name=ada&cookie=${encodeURIComponent(cookie)}`);
      await first.text(); // the store has saved it
      expect(cookieIn(await browser.visit('/')), cookie).toBe(cookieIn(first));
    }
  }

  /** Touches the session `a` some times. @param interval in milliseconds, before each time. */
  async function use(interval: number, times = 1) {
    for (let time = 0; time < times; time++) {
      await advance(interval);
      await touch('a', await load('a'));
    }
  }

  /** Loads a session, and touches it, as a request does that sets `maxAge`, in milliseconds, or nothing. */
  async function load(sid: string, maxAge?: number) {
    const data = await get(sid);
    if (!data) throw new Error(`The store has no session "${sid}" any more.`);
    const request: Parameters<Store['createSession']>[0] = Object.create(null);
    const session = store.createSession(Object.assign(request, { sessionID: sid }), data);
    if (maxAge !== undefined) session.cookie.maxAge = maxAge;
    return session.touch();
  }

  /** Lets time pass, in milliseconds. */
  async function advance(duration: number) {
    vi.setSystemTime(Date.now() + duration);
    await subject.setTime?.(new Date());
  }

  /** @returns what a method calls back with. @throws the error that it calls back with. */
  async function call(method: Method, ...args: unknown[]): Promise<unknown> {
    const [error, result] = (await observe(method, ...args))[0] ?? [];
    const isAbsence = method === 'get' && Object(error).code === 'ENOENT'; // express-session's README
    if (error && !isAbsence) throw error;
    return result;
  }

  /** Calls a method, if the store has it. @returns as `observe`. */
  async function attempt(method: Method) {
    const session = newSession({}, 2 * HOUR); // another expiry, so there is something to write
    const args = { set: ['a', session], touch: ['a', session], get: ['a'], destroy: ['a'] };
    return store[method] ? observe(method, ...(Reflect.get(args, method) ?? [])) : [[]];
  }

  /** Calls a method. @returns the arguments of each time it called back. */
  async function observe(method: Method, ...args: unknown[]): Promise<unknown[][]> {
    const callbacks: unknown[][] = [];
    await new Promise((resolve) => {
      setTimeout(resolve, TIMEOUT).unref();
      const callback = (...results: unknown[]) => resolve(callbacks.push(results));
      const returned = Reflect.apply(Object(store[method]), store, [...args, callback]);
      Promise.resolve(returned).catch((error) => resolve(rejections.push(error)));
    });
    await turn(); // for a second callback, or a rejection after the first
    expect(callbacks, `what ${method} called back with within ${TIMEOUT} ms`).not.toEqual([]);
    return callbacks;
  }

  function expectNoAccident() {
    expect([...rejections, ...exceptions], 'each of these ends a process').toEqual([]);
  }

  /** Serves some routes with express-session over the store. @returns a browser, which keeps one cookie. */
  async function browse(route: RequestHandler, options?: Partial<SessionOptions>) {
    const defaults = { secret: 'secret', resave: false, saveUninitialized: false };
    const app = express();
    app.use(expressSession({ ...defaults, store, cookie: { maxAge: HOUR }, ...options }));
    app.get('/', show).get('/route', route);
    server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = Object(server.address());
    return {
      cookie: '',
      async visit(path: string) {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, {
          headers: { cookie: this.cookie },
          redirect: 'manual',
          signal: AbortSignal.timeout(TIMEOUT),
        });
        this.cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? this.cookie;
        return response; // with its headers; its last byte may wait for the store
      },
      async read(path: string) {
        return Object(await (await this.visit(path)).json());
      },
    };
  }
}

const oddIds = ['a', 'A', 'a ', 'ä', `' OR 1=1 --`, '"', '%', '👩‍🚀', '__proto__', 'constructor'];
const notJson = '{"cookie":';
const noSessions = ['null', '[]', '"text"', '1', '{}', '{"cookie":null}'];

/** What express-session's README documents for `req.session.cookie`, as JSON. */
const cookies = `
  "expires":false "expires":null "maxAge":null "maxAge":60000 "domain":"example.com" "path":"/"
  "httpOnly":false "secure":false "partitioned":true
  "priority":"low" "priority":"medium" "priority":"high"
  "sameSite":true "sameSite":false "sameSite":"lax" "sameSite":"none" "sameSite":"strict"`;

const methods = ['set', 'get', 'touch', 'all', 'length', 'destroy', 'clear'] as const;
type Method = (typeof methods)[number];
type Need = Method | keyof Subject;

const HOUR = 60 * 60 * 1000; // in milliseconds
const DAY = 24 * HOUR;
const TIMEOUT = 4000; // in milliseconds

/** A session as express-session makes it. @param maxAge in milliseconds; null ends it with the browser. */
function newSession(data: object = {}, maxAge: number | null = HOUR): SessionData {
  const cookie = new expressSession.Cookie();
  if (maxAge !== null) cookie.maxAge = maxAge;
  return Object.assign({ cookie }, data) as SessionData; // an application may declare more fields
}

/** @returns when a session ends, in milliseconds since 1970. */
function expiryOf(session: SessionData | undefined): number {
  return new Date(session?.cookie.expires ?? Number.NaN).getTime();
}

/** Waits until everything that is due by now has run. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** A route that saves its query in the session, and `cookie` in it in the cookie. */
function show(req: Request, res: Response): void {
  const { cookie = '{}', ...changes } = req.query;
  Object.assign(req.session.cookie, JSON.parse(String(cookie)));
  Object.assign(req.session, changes);
  if (res.headersSent) return; // a store that calls back twice
  res.json({ ...req.session, cookie: undefined, sid: req.sessionID });
}
