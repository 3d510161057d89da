import type { Request } from 'express';
import { type SessionData, Store } from 'express-session';
import { expect, type RunnerTask, test } from 'vitest';
import { describeStore, upserts } from '../store-contract.ts';

// Tests the contract itself: a sound store keeps all promises, and each faulty store breaks exactly the promises
// that its departures list.

const HOUR = 60 * 60 * 1000; // in milliseconds
const DAY = 24 * HOUR;

const methods = ['set', 'get', 'touch', 'all', 'length', 'destroy', 'clear'] as const;
const failing = (method: (typeof methods)[number]) =>
  method === 'touch'
    ? 'calls back once for a failing touch'
    : `reports a failing ${method} once, through the callback`;

type Callback = (error: unknown, result?: never) => void;
type Row = { json: string; expires: number };

/** A store over a Map that keeps every promise. */
class SoundStore extends Store {
  readonly rows = new Map<string, Row>();
  isBroken = false;
  writes = 0;
  /** The first row of each session object: it is not inserted again under that id. */
  readonly first = new WeakMap<SessionData, { sid: string; json: string }>();

  get(sid: string, callback?: Callback): unknown {
    return this.respond(callback, () => this.read(sid));
  }

  set(sid: string, session: SessionData, callback?: Callback): unknown {
    return this.respond(callback, () => this.save(sid, session));
  }

  override touch(sid: string, session: SessionData, callback?: Callback): unknown {
    return this.respond(callback, () => this.extend(sid, session));
  }

  destroy(sid: string, callback?: Callback): unknown {
    return this.respond(callback, () => this.rows.delete(sid));
  }

  override all(callback: Callback): unknown {
    return this.respond(callback, () => this.list());
  }

  override length(callback: Callback): unknown {
    return this.respond(callback, () => this.list().length);
  }

  override clear(callback?: Callback): unknown {
    return this.respond(callback, () => this.rows.clear());
  }

  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    this.first.set(session, { sid: req.sessionID, json: JSON.stringify(session) });
    return session;
  }

  respond(callback: Callback | undefined, work: () => unknown): unknown {
    const results = this.isBroken ? [new Error('The storage is broken.')] : [null, work()];
    if (callback) setImmediate(() => Reflect.apply(callback, undefined, results));
    return undefined;
  }

  read(sid: string): SessionData | undefined {
    const row = this.rows.get(sid);
    return row && row.expires > Date.now() ? sessionIn(row.json) : undefined;
  }

  list(): SessionData[] {
    return [...this.rows.keys()].flatMap((sid) => this.read(sid) ?? []);
  }

  save(sid: string, session: SessionData): void {
    const first = this.first.get(session);
    if (first?.sid === sid && !this.read(sid)) return;
    if (!first) this.first.set(session, { sid, json: JSON.stringify(session) });
    this.write(sid, session);
  }

  extend(sid: string, session: SessionData): void {
    const [stored, row] = [this.read(sid), this.rows.get(sid)];
    const touched = stored && row && this.touched(session, stored, row.expires);
    if (touched) this.write(sid, touched);
  }

  /** @returns what a touch writes, or undefined if too little has changed. @param expires when the row does so far. */
  touched(session: SessionData, stored: SessionData, expires: number): SessionData | undefined {
    const step = Math.min(60_000, (expiryOf(session) - Date.now()) / 10);
    const isLater = Math.abs(expiryOf(session) - expires) >= step;
    if (!isLater && isSame(session, stored)) return undefined;
    return { ...stored, cookie: copy(session.cookie) };
  }

  write(sid: string, session: SessionData): void {
    this.writes += 1;
    this.rows.set(sid, this.rowOf(sid, session));
  }

  rowOf(_sid: string, session: SessionData): Row {
    return { json: JSON.stringify(session), expires: expiryOf(session) };
  }
}

function sessionIn(json: string): SessionData | undefined {
  try {
    const session = JSON.parse(json);
    return session.cookie && session;
  } catch {
    return undefined;
  }
}

function expiryOf({ cookie }: SessionData): number {
  return new Date(cookie.expires || Number.NaN).getTime() || Date.now() + DAY;
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

/** @returns whether two sessions are the same, apart from their dates. */
function isSame(...sessions: [SessionData, SessionData]): boolean {
  const [one, other] = sessions.map((session) => {
    const { expires, originalMaxAge, ...cookie } = copy(session.cookie);
    return JSON.stringify([{ ...session, cookie }, Boolean(expires)]);
  });
  return one === other;
}

/** Changes methods of a store. @param sound has them as they were. */
type Fault = (sound: SoundStore, store: SoundStore) => Partial<SoundStore>;

const broken = new Set<string>(); // by one of the faults

/** @param departures all promises that a store with this fault does not keep. */
function describeFaulty(name: string, fault: Fault, departures: readonly string[]) {
  const create = () => {
    const store = new SoundStore();
    const get = (_: SoundStore, method: string | symbol) =>
      Reflect.get(SoundStore.prototype, method).bind(store);
    Object.assign(store, fault(new Proxy(store, { get }), store));
    return {
      store,
      breakStorage: () => void Reflect.set(store, 'isBroken', true),
      restoreStorage: () => void Reflect.set(store, 'isBroken', false),
      corrupt: (sid: string, json: string) =>
        void store.rows.set(sid, { json, expires: Date.now() + DAY }),
      writes: () => store.writes,
    };
  };
  for (const promise of departures) broken.add(promise);
  describeStore(`a store that ${name}`, create, { departures });
}

describeFaulty('keeps every promise', () => ({}), []);

describeFaulty(
  'reports a missing session as ENOENT, which express-session allows',
  (sound, { rows }) => ({
    get(sid, done) {
      if (rows.has(sid)) return sound.get(sid, done);
      return setImmediate(() => done?.(Object.assign(new Error(), { code: 'ENOENT' })));
    },
  }),
  [],
);

const without = { touch: undefined, all: undefined, length: undefined, clear: undefined };
describeStore('a store with the required methods only', () => ({
  store: Object.assign(new SoundStore(), without),
}));

describeFaulty(
  'calls back twice',
  (sound) => ({
    respond(callback, work) {
      sound.respond(callback, work);
      return sound.respond(callback, work);
    },
  }),
  [
    ...methods.map(failing),
    'calls back exactly once',
    'middleware: a failing regenerate reports the error, and the old session remains',
    'middleware: a login with regenerate and save moves to a new session',
    'middleware: reload loads what another request saved, or reports that nothing is left',
    'calls back once even when the callback throws',
  ],
);

describeFaulty(
  'ignores destroy',
  (sound) => ({ destroy: (_, done) => sound.respond(done, () => {}) }),
  [
    'forgets a destroyed session, and no other',
    'counts, lists and clears its sessions',
    'works without a callback',
    'a touch does not revive a logged-out session',
    'middleware: a login with regenerate and save moves to a new session',
    "middleware: with unset: 'destroy', a route can remove the session",
    'middleware: reload loads what another request saved, or reports that nothing is left',
    'a late save does not revive a logged-out session',
    'a second save of a new session does not revive it after a logout',
    'order: set, then destroy, without waiting in between',
    'order: destroy, then get, without waiting in between',
    'middleware: the request after a redirect sees what the route changed, or its logout',
  ],
);

describeFaulty('revives with any save', (sound) => ({ save: sound.write }), upserts);

for (const method of methods) {
  const also = {
    get: ['middleware: every response ends, even when the storage fails'],
    touch: ['middleware: every response ends, even when the storage fails'],
    destroy: ['middleware: a failing regenerate reports the error, and the old session remains'],
  };
  const hide: Fault = (sound, store) => ({
    [method]: (...args: unknown[]) => {
      if (!store.isBroken) return Reflect.apply(sound[method], sound, args);
      const done = Object(args.at(-1));
      return method === 'touch' ? undefined : done(null); // it may hide the error, but not be silent
    },
  });
  describeFaulty(`hides that ${method} fails`, hide, [
    failing(method),
    ...(Reflect.get(also, method) ?? []),
  ]);
}

// One fault for each of the other promises: what the store does, and what else that breaks.
const faults: Record<string, Fault | [Fault, ...string[]]> = {
  'returns the session that was set': changeRow(({ json }) => ({ json: json.replace('ë', 'e') })),
  'finds no session under an unknown id, without an error': (sound, { rows }) => ({
    destroy: (sid, done) =>
      rows.has(sid) ? sound.destroy(sid, done) : done?.(new Error('ENOENT')),
  }),
  'replaces a session that is set again, even if only its cookie has changed': (sound) => ({
    write: (sid, session) => sound.write(sid, { ...sound.read(sid), ...session }),
  }),
  'stores a loaded session under another id': ignoreSave(
    (sid, _, first) => first !== undefined && first.sid !== sid,
  ),
  'tells ids apart, even odd ones': changeIds((sid) => sid.trim()),
  'gives each reader a copy': (sound) => {
    const sessions = new Map<string, SessionData>();
    return {
      write(sid, session) {
        sound.write(sid, session);
        sessions.set(sid, session);
      },
      read: (sid) => sound.read(sid) && sessions.get(sid),
    };
  },
  'accepts 50 saves at the same time, of one new session and of many': (sound, { rows }) => {
    const inserting = new Set<string>();
    return {
      set(sid, session, done) {
        if (inserting.has(sid)) return done?.(new Error('UNIQUE constraint failed'));
        if (!rows.has(sid)) inserting.add(sid);
        setImmediate(() => inserting.delete(sid));
        return sound.set(sid, session, done);
      },
    };
  },
  'forgets a destroyed session, and no other': [
    (sound, { rows }) => ({
      destroy(sid, done) {
        rows.delete('b');
        return sound.destroy(sid, done);
      },
    }),
    'works without a callback',
  ],
  'counts, lists and clears its sessions': (sound) => ({
    clear: (done) => sound.respond(done, () => {}),
  }),
  'calls back exactly once': (sound, store) => ({
    length(done) {
      if (!store.isBroken) sound.length(done);
      return sound.length(done);
    },
  }),
  'never rejects a promise (express-session would not handle it)': (sound, store) => ({
    clear(done) {
      sound.clear(done);
      return store.isBroken ? undefined : Promise.reject(new Error('The store failed.'));
    },
  }),
  'works without a callback': (sound) => ({
    set: (sid, session, done) => done && sound.set(sid, session, done),
  }),
  'ends a session when its cookie expires': changeRow(({ expires }) =>
    expires > Date.now() ? { expires: Math.max(expires, Date.now() + 60_000) } : {},
  ),
  'never returns a session that was set with a past expiry': changeRow(({ expires }) =>
    expires > Date.now() ? {} : { expires: Date.now() + HOUR },
  ),
  'accepts a cookie that has no expiry': ignoreSave(
    (_, { cookie }) => cookie.originalMaxAge === undefined,
  ),
  'keeps a touched session alive': [
    ignoreTouch(
      (session, _, expires) =>
        expiryOf(session) - expires > 0.7 * HOUR && expiryOf(session) <= Date.now() + HOUR,
    ),
    'middleware: with {"rolling":true}, a session lives as long as it is used',
    'middleware: with {"saveUninitialized":true}, a session lives as long as it is used',
  ],
  'a touch does not overwrite what another request saved': changeTouch((_, session) => session),
  'a touch with another cookie keeps any text': changeTouch((touched) =>
    JSON.parse(JSON.stringify(touched).replace('\\u0000', '')),
  ),
  'a touch does not revive a logged-out session': (sound, { rows }) => ({
    extend: (sid, session) => (rows.has(sid) ? sound.extend : sound.write)(sid, session),
  }),
  'a touch does not revive an expired session': (sound, { rows }) => ({
    extend(sid, session) {
      const isExpired = (rows.get(sid)?.expires ?? Infinity) <= Date.now();
      (isExpired ? sound.write : sound.extend)(sid, session);
    },
  }),
  'middleware: a login with regenerate and save moves to a new session': (sound, store) => ({
    regenerate(req, done) {
      if (store.isBroken) return sound.regenerate(req, done);
      Reflect.get(store, 'generate')(req);
      return done(null);
    },
  }),
  'middleware: keeps what express-session documents for a cookie': changeRow(({ json }, before) =>
    before ? {} : { json: json.replace(/"priority":"\w+",?/, '') },
  ),
  'middleware: with {"resave":true}, a session lives as long as it is used': (
    sound,
    { first },
  ) => ({
    save(sid, session) {
      const stored = first.has(session) && sound.read(sid);
      if (!stored || !isSame(session, stored)) sound.save(sid, session);
    },
  }),
  'middleware: with {"cookie":{"expires":false}}, a session lives as long as it is used': [
    ignoreSave((_, { cookie }) => JSON.stringify(cookie).includes('"expires":false')),
    'middleware: keeps what express-session documents for a cookie',
  ],
  'order: set, then get, without waiting in between': [
    (sound) => ({ set: (...args) => void setTimeout(sound.set, 10, ...args) }),
    'middleware: the request after a redirect sees what the route changed, or its logout',
  ],
  'order: set, then set, without waiting in between': (sound) => {
    let turn = 0;
    return {
      write(sid, session) {
        const early = copy(session);
        sound.write(sid, session);
        if (++turn % 2) process.nextTick(() => sound.write(sid, early));
      },
    };
  },
  'order: set, then destroy, without waiting in between': [
    (sound) => ({ write: (...row) => void setImmediate(sound.write, ...row) }),
    'order: set, then get, without waiting in between',
  ],
  'order: destroy, then set, without waiting in between': [
    (sound) => ({ destroy: (...args) => setImmediate(sound.destroy, ...args) }),
    'order: destroy, then get, without waiting in between',
  ],
  'order: a change that is saved, undone and saved, without waiting in between': ignoreSave(
    (sid, session, first) => first?.sid === sid && first.json === JSON.stringify(session),
  ),
  'middleware: keeps a change of the cookie alone': [
    changeTouch((touched, _, { cookie }) => {
      const { expires, originalMaxAge } = touched.cookie;
      return Object.assign(touched, { cookie: { ...cookie, expires, originalMaxAge } });
    }),
    'a change of the cookie while a save is under way is not lost',
  ],
  '"remember me" (a longer maxAge) lasts beyond the next request': [
    changeTouch((touched, _, { cookie: { originalMaxAge } }) => {
      Object.assign(touched.cookie, { originalMaxAge });
      return touched;
    }),
    'middleware: keeps a change of the cookie alone',
  ],
  'a touch with a shorter maxAge ends the session sooner': ignoreTouch(
    (session, _, expires) => expiryOf(session) < expires,
  ),
  'ends an idle session at most a minute, or a tenth of its lifetime, too early': ignoreTouch(
    (session, stored, expires) => {
      const gain = expiryOf(session) - expires;
      const isSmall = gain > 0 && gain < 0.49 * (expiryOf(session) - Date.now());
      return isSmall && isSame(session, stored);
    },
  ),
  'get shows when a touched session will end': changeRow(({ json }, before) => {
    const expires = /"expires":"[^"]+"/;
    return { json: json.replace(expires, expires.exec(before?.json ?? '')?.[0] ?? '$&') };
  }),
  "keeps a browser-session cookie's session alive while it is used": ignoreTouch(
    (session, stored) => !session.cookie.expires && isSame(session, stored),
  ),
  "ends a browser-session cookie's session within two days of its last use": changeRow(
    ({ json }) => (json.includes('"expires":null') ? { expires: Infinity } : {}),
  ),
  'keeps a session that ends after the year 9999': changeRow(({ expires }) =>
    expires > Date.UTC(9999, 11, 31) ? { expires: 0 } : {},
  ),
  'survives an invalid expiry': (sound) => ({
    set(sid, session, done) {
      sound.set(sid, session, done);
      const isValid = !Number.isNaN(Number(session.cookie.expires ?? 0));
      return isValid ? undefined : Promise.reject(new Error('Invalid date'));
    },
  }),
  'all and length leave out expired sessions': (sound, { rows }) => ({
    length: (done) => sound.respond(done, () => rows.size),
  }),
  'all and get agree on when a session ends': (sound) => ({
    list: () => {
      const sessions = sound.list();
      for (const { cookie } of sessions) cookie.expires = new Date(0);
      return sessions;
    },
  }),
  'writes nothing for a request that changes nothing': () => ({
    touched: (session, stored) => ({ ...stored, cookie: session.cookie }),
  }),
  'treats a corrupt session as no session': findCorrupt((json) => json.endsWith(':')),
  'treats JSON that is not a session as no session': findCorrupt((json) => !json.endsWith(':')),
  'all leaves out a corrupt session, and lists the others': (sound, { rows }) => ({
    list: () => [...rows].flatMap(([sid, row]) => sound.read(sid) ?? foundIn(row)),
  }),
  'works again when its storage does': [
    (sound, store) => {
      let hasFailed = false;
      return {
        respond(done, work) {
          hasFailed ||= store.isBroken;
          return hasFailed
            ? done?.(new Error('The connection is closed.'))
            : sound.respond(done, work);
        },
      };
    },
    'middleware: a failing regenerate reports the error, and the old session remains',
  ],
  'calls back once even when the callback throws': (sound) => ({
    respond: (done, work) =>
      sound.respond((...results) => {
        try {
          done?.(...results);
        } catch (error) {
          done?.(error);
        }
      }, work),
  }),
  'stores a million characters': changeRow(({ json }) => ({ json: json.slice(0, 65_535) })),
  'tells ids of a thousand characters apart': changeIds((sid) => sid.slice(0, 255)),
};

for (const [promise, fault] of Object.entries(faults)) {
  const [change, ...also] = Array.isArray(fault) ? fault : [fault];
  describeFaulty(`breaks "${promise}"`, change, [promise, ...also]);
}

test('each promise is broken by a fault', ({ task }) => {
  const [sound] = task.file.tasks; // a store that keeps every promise
  expect([...broken].sort()).toEqual(testsIn(sound).sort());
});

function testsIn(task: RunnerTask | undefined): string[] {
  if (task?.type !== 'suite') return task ? [task.name] : [];
  return task.tasks.flatMap(testsIn);
}

/** @param change returns what is different in the row that is written, from that row and from the one before. */
function changeRow(change: (row: Row, before?: Row) => Partial<Row>): Fault {
  return (sound, { rows }) => ({
    rowOf(sid, session) {
      const row = sound.rowOf(sid, session);
      return { ...row, ...change(row, rows.get(sid)) };
    },
  });
}

function changeIds(change: (sid: string) => string): Fault {
  return (sound) => ({
    read: (sid) => sound.read(change(sid)),
    write: (sid, session) => sound.write(change(sid), session),
  });
}

type First = { sid: string; json: string } | undefined;

function ignoreSave(
  isIgnored: (sid: string, session: SessionData, first: First) => boolean,
): Fault {
  return (sound, { first }) => ({
    save(sid, session) {
      if (!isIgnored(sid, session, first.get(session))) sound.save(sid, session);
    },
  });
}

function ignoreTouch(
  isIgnored: (session: SessionData, stored: SessionData, expires: number) => boolean,
): Fault {
  return (sound) => ({
    touched: (...args) => (isIgnored(...args) ? undefined : sound.touched(...args)),
  });
}

/** @param change returns what a touch writes, from what it should write, the request's session and the stored one. */
function changeTouch(
  change: (touched: SessionData, session: SessionData, stored: SessionData) => SessionData,
): Fault {
  return (sound) => ({
    touched(session, stored, expires) {
      const touched = sound.touched(session, stored, expires);
      return touched && change(touched, session, stored);
    },
  });
}

/** Takes some rows that hold no session for one. */
function findCorrupt(isFound: (json: string) => boolean): Fault {
  return (sound, { rows }) => ({
    get: (sid, done) =>
      sound.respond(done, () => {
        const row = rows.get(sid);
        return sound.read(sid) ?? (row && isFound(row.json) ? foundIn(row)[0] : undefined);
      }),
  });
}

/** @returns a session, although the row holds none, unless the row has expired. */
function foundIn({ expires }: Row): SessionData[] {
  return expires > Date.now() ? [JSON.parse('{"cookie":{}}')] : [];
}
