import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import expressSession, { type SessionData, type SessionOptions, type Store } from 'express-session';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

/** A store to test, and what the tests may do to its storage. Tests whose hook is missing are skipped. */
export interface Subject {
  store: Store;
  /** Makes every access to the storage fail, until `restoreStorage`. */
  breakStorage?(): Promise<void> | void;
  restoreStorage?(): Promise<void> | void;
  /** Overwrites a stored session with something that cannot be read as one. */
  corrupt?(sid: string): Promise<void> | void;
  /** How often the store has written to its storage so far. */
  writes?(): number;
  /** Sets the clock of the storage, for a store that takes the time from its database. Until then it shows the real time. */
  setTime?(now: Date): void;
  /** Closes the store and deletes its storage. */
  close?(): Promise<void> | void;
}

interface Options {
  /** Promises that the store is known not to keep, by name. A test fails once the store keeps one. */
  departures?: readonly string[];
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
 * - **required**: express-session's README asks for it (see "Session Store Implementation" there), or its
 *   middleware goes wrong without it. It never looks at the expiry of a stored session, for example, so
 *   the store must. A store that breaks one of these promises has a bug.
 * - **stronger**: people rely on it, but express-session does not ask for it. A store that does not keep
 *   it is not faulty, but you should know before you choose it.
 *
 * Of the methods that express-session does not require (`touch`, `all`, `length`, `clear`), a store may
 * lack any: their tests are skipped.
 *
 * To test your own store, copy this file. It needs vitest, express and express-session. Then write:
 *
 *     import { describeStore } from './store-contract.ts';
 *
 *     describeStore('MyStore', async () => {
 *       const database = await openEmptyDatabase();
 *       return { store: new MyStore(database), close: () => database.close() };
 *     });
 *
 * The clock is faked (`Date` only). A store that takes the time from its database, not from `Date`, needs `setTime`.
 *
 * @param create makes an empty store. It is called once per test.
 */
export function describeStore(
  name: string,
  create: () => Promise<Subject> | Subject,
  { departures = [] }: Options = {},
): void {
  let subject: Subject;
  let store: Store;
  let calls: Call[]; // of the store's methods, whoever called them
  let server: Server | undefined;
  const promises = new Set<string>();

  const get = async (sid: string) => ((await call('get', sid)) as SessionData | null) ?? undefined;
  const set = (sid: string, session: SessionData) => call('set', sid, session);
  const touch = (sid: string, session: SessionData) => call('touch', sid, session);
  const destroy = (sid: string) => call('destroy', sid);
  const all = async (): Promise<SessionData[]> => Object.values(Object(await call('all')));

  describe(`store contract: ${name}`, () => {
    beforeEach(async () => {
      subject = await create();
      ({ store } = subject);
      calls = record(store);
      vi.spyOn(console, 'error').mockImplementation(() => {}); // a store may log what it survives
    });

    afterEach(async () => {
      vi.useRealTimers();
      vi.restoreAllMocks();
      server?.close().closeAllConnections();
      server = undefined;
      await subject.close?.();
    });

    describe('required', required);
    describe('stronger', () => {
      stronger();
      const unknown = departures.filter((promise) => !promises.has(promise));
      if (unknown.length > 0) {
        throw new Error(`The departures of ${name} name no promise: "${unknown.join('", "')}".`);
      }
    });
  });

  function required() {
    it('returns the session that was set', async () => {
      const text = `Zoë 日本語 👩‍🚀 "quoted" 'single' \\ % _ ; -- ${'\u0001'} \u2028 null`;
      await set('a', newSession({ text }));
      expect(await get('a')).toMatchObject({ text, cookie: { httpOnly: true, path: '/' } });
    });

    it('finds no session under an unknown id, without an error', async () => {
      expect(await get('unknown')).toBeUndefined();
      await destroy('unknown');
    });

    it('replaces a session that is set again', async () => {
      await set('a', newSession({ userId: 1, theme: 'dark' }));
      await set('a', newSession({ userId: 2 }));
      expect(await get('a')).toEqual({ userId: 2, cookie: expect.anything() });
    });

    it('stores a loaded session under another id', async () => {
      await set('a', newSession({ userId: 1 }));
      await set('b', await load('a'));
      expect(await get('b'), 'what was saved under a second id').toMatchObject({ userId: 1 });
    });

    it('stores a change of the cookie alone', async () => {
      await set('a', newSession());
      const session = await load('a');
      session.cookie.sameSite = 'strict';
      await set('a', session);
      expect(await get('a')).toMatchObject({ cookie: { sameSite: 'strict' } });
    });

    it('tells ids apart, even odd ones', async () => {
      const ids = [
        'a',
        'A',
        'a ',
        'ä',
        `' OR 1=1 --`,
        '"',
        '%',
        '👩‍🚀',
        '__proto__',
        'constructor',
      ];
      for (const id of ids) {
        expect(await get(id), `the session ${id}, before it was set`).toBeUndefined();
        await set(id, newSession({ id }));
      }
      for (const id of ids) expect(await get(id)).toMatchObject({ id });
    });

    it('gives each reader a copy', async () => {
      await set('a', newSession({ basket: ['apple'] }));
      Reflect.get(await load('a'), 'basket').push('pear');
      expect(await get('a'), 'changed, but not saved').toMatchObject({ basket: ['apple'] });
    });

    it('stores 50 sessions at the same time', async () => {
      const ids = Array.from({ length: 50 }, (_, index) => `session-${index}`);
      await Promise.all(ids.map((id) => set(id, newSession({ id }))));
      expect(await Promise.all(ids.map(get))).toMatchObject(ids.map((id) => ({ id })));
    });

    it('accepts 20 saves of one new session at the same time', async () => {
      await Promise.all(Array.from({ length: 20 }, () => set('a', newSession({ userId: 1 }))));
      expect(await get('a')).toMatchObject({ userId: 1 });
    });

    it('forgets a destroyed session, and no other', async () => {
      await set('a', newSession());
      await set('b', newSession());
      await destroy('a');
      expect(await get('a')).toBeUndefined();
      expect(await get('b')).toBeDefined();
    });

    it('counts, lists and clears its sessions', async () => {
      for (const id of ['a', 'b', 'c']) await set(id, newSession({ id }));
      await destroy('b');
      expect(await call('length')).toBe(2);
      expect((await all()).map((session) => Reflect.get(session, 'id')).sort()).toEqual(['a', 'c']);
      await call('clear');
      expect(await call('length')).toBe(0);
      expect(await get('a')).toBeUndefined();
    }, ['all', 'length', 'clear']);

    it('calls back exactly once', async () => {
      for (const [method, ...args] of everyCall()) {
        if (!store[method]) continue;
        const { callbacks } = await observe(method, ...args);
        expect(callbacks, `how often ${method} called back`).toHaveLength(1);
      }
    });

    it('never rejects a promise (express-session would not handle it)', async () => {
      for (const [method, ...args] of everyCall()) {
        if (store[method]) await observe(method, ...args);
      }
      expectNoRejection();
    });

    it('works without a callback', async () => {
      await set('a', newSession());
      Reflect.apply(store.set, store, ['b', newSession()]);
      Reflect.apply(store.destroy, store, ['a']); // as req.session.destroy() does
      await vi.waitFor(async () =>
        expect([await get('a'), !!(await get('b'))]).toEqual([undefined, true]),
      );
      expectNoRejection();
    });

    it('ends a session when its cookie expires', async () => {
      const clock = stopClock();
      await set('a', newSession({}, 10_000));
      clock.advance(8_000);
      expect(await get('a'), 'two seconds before').toBeDefined();
      clock.advance(4_000);
      expect(await get('a'), 'two seconds after').toBeUndefined();
    });

    it('never returns a session that was set with a past expiry', async () => {
      await set('a', newSession({}, -HOUR));
      expect(await get('a')).toBeUndefined();
    });

    it('accepts a cookie that has no expiry', async () => {
      await set('a', Object.assign(newSession(), { cookie: { originalMaxAge: null } }));
      expect(await get('a')).toBeDefined();
    });

    it('keeps a touched session alive', async () => {
      const clock = stopClock();
      await set('a', newSession({ userId: 1 }, HOUR));
      for (let time = 0; time < 3; time++) {
        clock.advance(0.75 * HOUR);
        await touch('a', await load('a'));
      }
      clock.advance(0.75 * HOUR);
      expect(await get('a'), '45 minutes after its last touch').toMatchObject({ userId: 1 });
      clock.advance(HOUR);
      expect(await get('a'), '105 minutes after its last touch').toBeUndefined();
    }, ['touch']);

    it('a touch does not overwrite what another request saved', async () => {
      await set('a', newSession({ userId: 1 }));
      const early = await load('a', 2 * HOUR); // a change, so the touch has something to write
      await set('a', newSession({ userId: 2 }));
      await touch('a', early);
      expect(
        await get('a'),
        'touch overwrote the session: write only its cookie and the expiry',
      ).toMatchObject({ userId: 2 });
    }, ['touch']);

    it('a touch does not revive a logged-out session', async () => {
      await set('a', newSession());
      const late = await load('a', 2 * HOUR);
      await destroy('a');
      await touch('a', late);
      expect(await get('a')).toBeUndefined();
    }, ['touch']);

    it('a touch does not revive an expired session', async () => {
      const clock = stopClock();
      await set('a', newSession());
      const late = await load('a');
      clock.advance(HOUR + 2000);
      await touch('a', late.touch());
      expect(await get('a')).toBeUndefined();
    }, ['touch']);

    for (const [method, ...args] of everyCall()) {
      it(failing(method), async () => {
        await set('a', newSession());
        await subject.breakStorage?.();
        const { callbacks } = await observe(method, ...args);
        expect(callbacks, `how often ${method} called back`).toHaveLength(1);
        if (method !== 'touch') expect(callbacks[0]?.[0], 'the error').toBeInstanceOf(Error);
        expectNoRejection();
      }, ['breakStorage', method]);
    }

    it('middleware: a login with regenerate and save moves to a new session', async () => {
      const browser = await browse({
        '/login': (req, res) => {
          req.session.regenerate(() => {
            Object.assign(req.session, { userId: 1 });
            req.session.save(() => show(req, res));
          });
        },
      });
      const before = await browser.read('/put?basket=full');
      const after = await browser.read('/login');
      expect(await browser.read('/show')).toEqual({ sid: after.sid, userId: 1 });
      expect(await get(before.sid), 'the session from before the login').toBeUndefined();
    });

    for (const [option, path, ...needs] of [
      ['resave', '/put?name=ada'],
      ['rolling', '/put?name=ada', 'touch'],
      ['saveUninitialized', '/show', 'touch'],
    ] as const) {
      it(
        `middleware: with ${option}: true, a session lives as long as it is used`,
        async () => {
          const clock = stopClock();
          const browser = await browse({}, { [option]: true });
          const session = await browser.read(path);
          for (let time = 0; time < 3; time++) {
            clock.advance(0.75 * HOUR);
            expect(await browser.read('/show')).toEqual(session);
          }
        },
        needs,
      );
    }

    it("middleware: with unset: 'destroy', a route can remove the session", async () => {
      const leave: RequestHandler = (req, res) => {
        Reflect.set(req, 'session', null);
        res.json({});
      };
      const browser = await browse({ '/leave': leave }, { unset: 'destroy' });
      const { sid } = await browser.read('/put?name=ada');
      await browser.read('/leave');
      expect(await get(sid)).toBeUndefined();
    });

    it('middleware: reload loads what another request saved, and the result can be saved', async () => {
      const browser = await browse({
        '/reload': async (req, res) => {
          await set(req.sessionID, Object.assign(await load(req.sessionID), { theme: 'dark' }));
          Object.assign(req.session, { name: 'not saved' });
          req.session.reload(() => {
            Object.assign(req.session, { reloaded: true });
            show(req, res);
          });
        },
      });
      const session = await browser.read('/put?name=ada');
      await browser.read('/reload');
      expect(await browser.read('/show')).toEqual({ ...session, theme: 'dark', reloaded: true });
    });

    it('middleware: reload reports a session that is gone', async () => {
      const browser = await browse({
        '/reload': async (req, res) => {
          await destroy(req.sessionID);
          req.session.reload((error) => res.json({ failed: error instanceof Error }));
        },
      });
      await browser.read('/put?name=ada');
      expect(await browser.read('/reload')).toEqual({ failed: true });
    });

    it('middleware: a failing regenerate reports the error, and the old session remains', async () => {
      const browser = await browse({
        '/login': async (req, res) => {
          await subject.breakStorage?.();
          req.session.regenerate((error) => {
            if (!res.headersSent) res.json({ failed: error instanceof Error });
          });
        },
      });
      const { sid } = await browser.read('/put?name=ada');
      expect(await browser.read('/login')).toEqual({ failed: true });
      await subject.restoreStorage?.();
      expect(await get(sid)).toBeDefined();
      expectNoRejection();
    }, ['breakStorage', 'restoreStorage']);

    it('middleware: every response ends, even when the storage fails', async () => {
      const clock = stopClock();
      const browser = await browse({
        '/break': async (_req, res) => {
          await subject.breakStorage?.();
          res.json({});
        },
      });
      await browser.read('/put?name=ada');
      clock.advance(HOUR / 2); // so there is an expiry to write
      const response = await browser.visit('/break');
      const isAnswered = (call: Call) => call.rejected || call.callbacks.length > 0;
      await vi.waitFor(() => expect(calls.every(isAnswered), 'the touch called back').toBe(true));
      expectNoRejection();
      expect(await response.json(), 'after the touch that failed').toEqual({});
      expect((await browser.visit('/show')).status, 'after the get that failed').toBe(500);
      expectNoRejection();
    }, ['breakStorage']);
  }

  function stronger() {
    it('a late save does not revive a logged-out session', async () => {
      await set('a', newSession());
      const late = Object.assign(await load('a'), { theme: 'dark' });
      await destroy('a');
      await set('a', late);
      expect(await get('a'), 'the late save has revived it').toBeUndefined();
    });

    it('a late save does not revive an expired session', async () => {
      const clock = stopClock();
      await set('a', newSession());
      const late = Object.assign(await load('a'), { theme: 'dark' });
      clock.advance(HOUR + 2000);
      await set('a', late.touch()); // express-session touches at the end of each request
      expect(await get('a'), 'the late save has revived it').toBeUndefined();
    });

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
        const actions = { get, set, destroy };
        for (let round = 0; round < 5; round++) {
          const sid = `session-${round}`;
          await set(sid, newSession({ version: 0 }));
          const isNew = first === 'destroy'; // a loaded session would make this a late save
          const [one, two] = isNew
            ? [newSession(), newSession()]
            : [await load(sid), await load(sid)];
          const [, result] = await Promise.all([
            actions[first](sid, Object.assign(one, { version: 1 })),
            actions[second](sid, Object.assign(two, { version: 2 })),
          ]);
          const found = second === 'get' ? result : await get(sid);
          expect(Reflect.get(Object(found), 'version'), `version in round ${round}`).toBe(expected);
        }
      });
    }

    it('order: a change that is saved, undone and saved, without waiting in between', async () => {
      await set('a', newSession({ version: 1 }));
      const session = await load('a');
      await Promise.all([2, 1].map((version) => set('a', Object.assign(session, { version }))));
      expect(await get('a'), 'the last save').toMatchObject({ version: 1 });
    });

    it('middleware: the request after a redirect sees what the route changed', async () => {
      const browser = await browse({
        '/login': (req, res) => {
          Object.assign(req.session, req.query);
          res.redirect('/show'); // without a save
        },
      });
      for (let round = 0; round < 20; round++) {
        if (round % 2 === 0) browser.forget(); // alternates between a new session and a loaded one
        await browser.visit(`/login?round=${round}`);
        expect(await browser.read('/show')).toMatchObject({ round: `${round}` });
      }
    });

    it('middleware: the request after a logout that redirects at once is logged out', async () => {
      const browser = await browse({
        '/logout': (req, res) => {
          req.session.destroy(() => {});
          res.redirect('/show');
        },
      });
      for (let round = 0; round < 20; round++) {
        await browser.read('/put?name=ada');
        await browser.visit('/logout');
        expect(await browser.read('/show')).not.toHaveProperty('name');
      }
    });

    it('"remember me" (a longer maxAge) lasts beyond the next request', async () => {
      const clock = stopClock();
      await set('a', newSession({}, HOUR));
      await touch('a', await load('a', 30 * DAY)); // express-session touches when only the cookie changed
      clock.advance(2 * HOUR);
      await touch('a', await load('a')); // the next request
      clock.advance(DAY);
      expect(await get('a'), 'a day later').toBeDefined();
    }, ['touch']);

    it('a touch with a shorter maxAge ends the session sooner', async () => {
      const clock = stopClock();
      await set('a', newSession({}, DAY));
      await touch('a', await load('a', HOUR));
      clock.advance(HOUR + 2000);
      expect(await get('a')).toBeUndefined();
    }, ['touch']);

    it('ends an idle session at most a minute, or a tenth of its lifetime, too early', async () => {
      const clock = stopClock();
      for (const lifetime of [10_000, 60_000, HOUR, 30 * DAY]) {
        const loss = Math.min(60_000, lifetime / 10) + 1000; // a second for stores that round
        for (const interval of [0.48 * lifetime, 0.4 * loss]) {
          const sid = `lives ${lifetime} ms, used every ${interval} ms`;
          await set(sid, newSession({}, lifetime));
          for (let time = 0; time < 5; time++) {
            clock.advance(interval);
            await touch(sid, await load(sid));
          }
          clock.advance(lifetime - loss);
          expect(await get(sid), `the session that ${sid} has ended too early`).toBeDefined();
        }
      }
    }, ['touch']);

    it('get shows when a touched session will end', async () => {
      const clock = stopClock();
      await set('a', newSession({}, HOUR));
      clock.advance(HOUR / 2);
      await touch('a', await load('a'));
      expect(expiryOf(await get('a')) - Date.now()).toBeGreaterThan(HOUR - 2000);
    }, ['touch']);

    it("keeps a browser-session cookie's session alive while it is used", async () => {
      const clock = stopClock();
      await set('a', newSession({}, null));
      for (let time = 0; time < 4; time++) {
        clock.advance(DAY / 2);
        await touch('a', await load('a'));
      }
      expect((await load('a')).cookie.originalMaxAge, 'its maxAge').toBeNull();
    }, ['touch']);

    it("ends a browser-session cookie's session within two days of its last use", async () => {
      const clock = stopClock();
      await set('a', newSession({}, null));
      clock.advance(2 * DAY);
      expect(await get('a')).toBeUndefined();
    });

    it('keeps a session that ends after the year 9999', async () => {
      await set('a', newSession({}, 10_000 * 365 * DAY));
      expect(await get('a'), 'the session is lost: is its date compared as text?').toBeDefined();
    });

    it('survives an invalid expiry', async () => {
      await set('a', newSession());
      const session = await load('a', Number.NaN);
      for (const method of ['touch', 'set'] as const) {
        const { callbacks } = await observe(method, 'a', session);
        expect(callbacks, `how often ${method} called back`).toHaveLength(1);
      }
      await destroy('a');
      await set('a', newSession());
      expect(await get('a'), 'the next session under that id').toBeDefined();
      expectNoRejection();
    }, ['touch']);

    it('all and length leave out expired sessions', async () => {
      const clock = stopClock();
      await set('expired', newSession({}, HOUR));
      await set('a', newSession({}, DAY));
      clock.advance(2 * HOUR);
      expect(await call('length'), 'length').toBe(1); // first: a store may delete them while it lists
      expect(await all(), 'all').toHaveLength(1);
    }, ['all', 'length']);

    it('all and get agree on when a session ends', async () => {
      const clock = stopClock();
      await set('a', newSession());
      clock.advance(HOUR / 2);
      await touch('a', await load('a'));
      expect((await all()).map(expiryOf)).toEqual([expiryOf(await get('a'))]);
    }, ['all', 'touch']);

    it('writes nothing for a request that changes nothing', async () => {
      await set('a', newSession());
      const before = subject.writes?.();
      await touch('a', await load('a'));
      expect(subject.writes?.()).toBe(before);
    }, ['writes', 'touch']);

    it('treats a corrupt session as no session', async () => {
      await set('a', newSession());
      await set('b', newSession());
      await subject.corrupt?.('a');
      expect(await get('a')).toBeUndefined();
      expect(await get('b')).toBeDefined();
    }, ['corrupt']);

    it('all leaves out a corrupt session, and lists the others', async () => {
      await set('a', newSession());
      await set('b', newSession({ userId: 2 }));
      await subject.corrupt?.('a');
      expect(await all()).toMatchObject([{ userId: 2 }]);
    }, ['corrupt', 'all']);

    it('works again when its storage does', async () => {
      await set('a', newSession());
      await subject.breakStorage?.();
      await observe('get', 'a');
      await observe('set', 'b', newSession());
      await subject.restoreStorage?.();
      expect(await get('a')).toBeDefined();
      await set('b', newSession());
      expect(await get('b')).toBeDefined();
    }, ['breakStorage', 'restoreStorage']);

    it('calls back once even when the callback throws', async () => {
      const listeners = process.listeners('uncaughtException'); // vitest's: it would fail the run
      process.removeAllListeners('uncaughtException').on('uncaughtException', () => {});
      const callback = vi.fn(() => {
        throw new Error('The callback failed.');
      });
      try {
        store.get('a', callback);
        await vi.waitFor(() => expect(callback).toHaveBeenCalled());
        await turn();
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of listeners) process.on('uncaughtException', listener);
      }
      expect(callback).toHaveBeenCalledTimes(1);
      expectNoRejection();
    });

    it('stores a million characters', async () => {
      const text = 'x'.repeat(1_000_000);
      await set('a', newSession({ text }));
      expect(Reflect.get(await load('a'), 'text') === text, 'the same text').toBe(true);
    });

    it('tells ids of a thousand characters apart', async () => {
      const ids = ['a', 'b'].map((end) => 'x'.repeat(999) + end);
      for (const id of ids) await set(id, newSession({ id }));
      for (const id of ids) expect(await get(id)).toMatchObject({ id });
    });
  }

  /** Declares the test of a promise. @param needs hooks of the subject and methods of the store. */
  function it(promise: string, run: () => Promise<void>, needs: Need[] = []) {
    promises.add(promise);
    const departs = departures.includes(promise);
    test(departs ? `known departure: ${promise}` : promise, async ({ skip }) => {
      for (const need of needs) {
        skip(!(need in subject || Reflect.get(store, need)), `needs ${need}(), which is missing`);
      }
      if (!departs) return run();
      const [outcome] = await Promise.allSettled([run()]);
      if (outcome.status === 'rejected') return;
      throw new Error(`${name} keeps this promise. Delete it from the departures of ${name}.`);
    });
  }

  /**
   * Gets a session as express-session does for a request, and touches it as at the end of the request.
   *
   * @param maxAge what the request sets `cookie.maxAge` to, if anything, in milliseconds.
   */
  async function load(sid: string, maxAge?: number) {
    const data = await get(sid);
    if (!data) throw new Error(`The store has no session "${sid}" any more.`);
    const request: Parameters<Store['createSession']>[0] = Object.create(null);
    const session = store.createSession(Object.assign(request, { sessionID: sid }), data);
    if (maxAge !== undefined) session.cookie.maxAge = maxAge;
    return session.touch();
  }

  /** Stops the clock, but no timers: a store may need them to answer. */
  function stopClock() {
    vi.useFakeTimers({ toFake: ['Date'] });
    const set = (now: number) => {
      vi.setSystemTime(now);
      subject.setTime?.(new Date());
    };
    set(Date.now());
    return {
      /** @param duration in milliseconds. */
      advance: (duration: number) => set(Date.now() + duration),
    };
  }

  /** @returns what a method calls back with. @throws the error that it calls back with. */
  async function call(method: Method, ...args: unknown[]): Promise<unknown> {
    const [error, result] = (await observe(method, ...args)).callbacks[0] ?? [];
    if (error) throw error;
    return result;
  }

  /** Calls a method, and waits until it has called back, or until the promise that it returned settled. */
  async function observe(method: Method, ...args: unknown[]): Promise<Call> {
    const index = calls.length;
    const run = store[method];
    if (!run) throw new Error(`The store has no method ${method}.`);
    await new Promise<void>((resolve, reject) => {
      const late = `${method} did not call back within ${TIMEOUT} ms.`;
      const timer = setTimeout(() => reject(new Error(late)), TIMEOUT);
      const settle = () => {
        clearTimeout(timer);
        resolve();
      };
      const promise: unknown = Reflect.apply(run, store, [...args, settle]);
      if (promise instanceof Promise) Promise.allSettled([promise]).then(turn).then(settle, reject);
    });
    await turn(); // for a second call of the callback, or a rejection after the first
    const call = calls[index];
    if (!call) throw new Error(`The call of ${method} was not recorded.`);
    return call;
  }

  function expectNoRejection() {
    const rejected = calls.filter((call) => call.rejected).map((call) => call.method);
    expect(rejected, 'methods that rejected a promise, which ends a process').toEqual([]);
  }

  /** Serves routes with express-session over the store. @returns a browser, which keeps one cookie. */
  async function browse(routes: Record<string, RequestHandler>, options?: Partial<SessionOptions>) {
    const defaults = { secret: 'secret', resave: false, saveUninitialized: false };
    const app = express();
    app.use(expressSession({ ...defaults, store, cookie: { maxAge: HOUR }, ...options }));
    app.get('/show', show);
    app.get('/put', (req, res) => {
      Object.assign(req.session, req.query);
      show(req, res);
    });
    for (const [path, route] of Object.entries(routes)) app.get(path, route);
    app.use(answerError);
    server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = Object(server.address());
    let cookie = '';
    const visit = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        headers: { cookie },
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT),
      });
      cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie;
      return response; // with its headers; its last byte may wait for the store
    };
    const read = async (path: string) => JSON.parse(await (await visit(path)).text());
    const forget = () => {
      cookie = '';
    };
    return { visit, read, forget };
  }
}

type Method = (typeof methods)[number];
type Need = Method | keyof Subject;

/** One call of a method of the store. */
interface Call {
  method: Method;
  /** The arguments of each time it called back. */
  callbacks: unknown[][];
  rejected: boolean;
}

const methods = ['get', 'set', 'touch', 'destroy', 'all', 'length', 'clear'] as const;
const HOUR = 60 * 60 * 1000; // in milliseconds
const DAY = 24 * HOUR;
const TIMEOUT = 4000; // in milliseconds

/** Calls all methods once, in an order in which each has something to do. */
function everyCall(): [Method, ...unknown[]][] {
  return [
    ['set', 'a', newSession()],
    ['get', 'a'],
    ['touch', 'a', newSession({}, 2 * HOUR)], // another expiry, so there is something to write
    ['all'],
    ['length'],
    ['destroy', 'a'],
    ['clear'],
  ];
}

/** The promise about a method whose storage fails. */
function failing(method: Method): string {
  // A touch may hide its error, which could only spoil the response that is on its way.
  if (method === 'touch') return 'calls back once for a failing touch';
  return `reports a failing ${method} once, through the callback`;
}

/** Records what is called on a store. Rejections are handled: they would end the test run. */
function record(store: Store): Call[] {
  const calls: Call[] = [];
  for (const method of methods) {
    const original = store[method];
    if (!original) continue;
    const recorded = (...args: unknown[]) => {
      const call: Call = { method, callbacks: [], rejected: false };
      calls.push(call);
      const callback = args.at(-1);
      if (typeof callback === 'function') {
        args[args.length - 1] = (...results: unknown[]) => {
          call.callbacks.push(results);
          callback(...results);
        };
      }
      const promise: unknown = Reflect.apply(original, store, args);
      if (promise instanceof Promise) {
        promise.catch(() => {
          call.rejected = true;
        });
      }
      return promise;
    };
    Object.assign(store, { [method]: recorded });
  }
  return calls;
}

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
async function turn(): Promise<void> {
  for (let time = 0; time < 2; time++) await new Promise((resolve) => setImmediate(resolve));
}

function show(req: Request, res: Response): void {
  if (res.headersSent) return; // a store that calls back twice
  res.json({ ...req.session, cookie: undefined, sid: req.sessionID });
}

const answerError: ErrorRequestHandler = (_error, _req, res, _next) => {
  if (!res.headersSent) res.status(500).end();
};
