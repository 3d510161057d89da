import type { Request } from 'express';
import { type SessionData, Store } from 'express-session';
import { describeStore, upserts } from '../store-contract.ts';

// Tests the contract itself: a sound store keeps all promises, and each faulty store breaks exactly the promises
// that its departures list.

const DAY = 24 * 60 * 60 * 1000; // in milliseconds
const CORRUPT = 'not a session';

const failures = [
  ...['set', 'get', 'all', 'length', 'destroy', 'clear'].map(
    (method) => `reports a failing ${method} once, through the callback`,
  ),
  'calls back once for a failing touch',
];

type Callback<Result = never> = (error: unknown, result?: Result) => void;

/** A store over a Map that keeps every promise. */
class SoundStore extends Store {
  readonly rows = new Map<string, { json: string; expires: number }>();
  isBroken = false;
  writes = 0;
  /** The id under which a session object has a row, or had one: it is not inserted again under that id. */
  readonly #ids = new WeakMap<SessionData, string>();

  get(sid: string, callback?: Callback<SessionData>): unknown {
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

  override all(callback: Callback<SessionData[]>): unknown {
    return this.respond(callback, () => this.list());
  }

  override length(callback: Callback<number>): unknown {
    return this.respond(callback, () => this.list().length);
  }

  override clear(callback?: Callback): unknown {
    return this.respond(callback, () => this.rows.clear());
  }

  override createSession(req: Request, data: SessionData) {
    const session = super.createSession(req, data);
    this.#ids.set(session, req.sessionID);
    return session;
  }

  respond(callback: Callback | undefined, work: () => unknown): unknown {
    const results = this.isBroken ? [new Error('The storage is broken.')] : [null, work()];
    if (callback) setImmediate(() => Reflect.apply(callback, undefined, results));
    return undefined;
  }

  read(sid: string): SessionData | undefined {
    const row = this.rows.get(sid);
    if (!row || row.expires <= Date.now() || row.json === CORRUPT) return undefined;
    return JSON.parse(row.json);
  }

  list(): SessionData[] {
    return [...this.rows.keys()].flatMap((sid) => this.read(sid) ?? []);
  }

  save(sid: string, session: SessionData): void {
    if (this.#ids.get(session) === sid && !this.read(sid)) return;
    this.#ids.set(session, sid);
    this.write(sid, session);
  }

  extend(sid: string, session: SessionData): void {
    const stored = this.read(sid);
    const [before = 0, after] = [this.rows.get(sid)?.expires, expiryOf(session)];
    const step = Math.min(60_000, (after - Date.now()) / 10);
    if (stored && Math.abs(after - before) >= step) {
      this.write(sid, { ...stored, cookie: session.cookie });
    }
  }

  write(sid: string, session: SessionData): void {
    this.writes += 1;
    this.rows.set(sid, { json: JSON.stringify(session), expires: expiryOf(session) });
  }
}

function expiryOf({ cookie }: SessionData): number {
  return new Date(cookie.expires ?? Number.NaN).getTime() || Date.now() + DAY;
}

describeFaulty('keeps every promise', () => ({}), []);

const without = { touch: undefined, all: undefined, length: undefined, clear: undefined };
describeStore('a store with the required methods only', () => ({
  store: Object.assign(new SoundStore(), without),
}));

describeFaulty('upserts', (sound) => ({ save: sound.write }), upserts);

describeFaulty(
  'calls back twice',
  (sound) => ({
    respond(callback, work) {
      sound.respond(callback, work);
      return sound.respond(callback, work);
    },
  }),
  [
    ...failures,
    'calls back exactly once',
    'middleware: a login with regenerate and save moves to a new session',
    'middleware: reload loads what another request saved, and the result can be saved',
    'middleware: reload reports a session that is gone',
    'survives an invalid expiry',
    'calls back once even when the callback throws',
  ],
);

describeFaulty(
  'rejects when it fails',
  (sound, store) => ({
    async respond(callback, work) {
      sound.respond(callback, work);
      if (store.isBroken) throw new Error('The storage is broken.');
    },
  }),
  [
    ...failures,
    'middleware: a failing regenerate reports the error, and the old session remains',
    'middleware: every response ends, even when the storage fails',
  ],
);

describeFaulty(
  'mistakes an exception in the callback for its own error',
  (sound) => ({
    get: (sid, callback) =>
      sound.get(sid, (error, session) => {
        try {
          callback?.(error, session);
        } catch (error) {
          callback?.(error);
        }
      }),
  }),
  ['calls back once even when the callback throws'],
);

describeFaulty(
  'writes later than it reads',
  (sound) => ({ write: (...row) => void setImmediate(sound.write, ...row) }),
  [
    'order: set, then get, without waiting in between',
    'order: set, then destroy, without waiting in between',
  ],
);

describeFaulty(
  'destroys later than it writes',
  (sound) => ({ destroy: (...args) => setImmediate(sound.destroy, ...args) }),
  [
    'order: destroy, then get, without waiting in between',
    'order: destroy, then set, without waiting in between',
  ],
);

describeFaulty('ignores touch', () => ({ extend() {} }), [
  'keeps a touched session alive',
  'middleware: with rolling: true, a session lives as long as it is used',
  'middleware: with saveUninitialized: true, a session lives as long as it is used',
  '"remember me" (a longer maxAge) lasts beyond the next request',
  'a touch with a shorter maxAge ends the session sooner',
  'ends an idle session at most a minute, or a tenth of its lifetime, too early',
  'get shows when a touched session will end',
  "keeps a browser-session cookie's session alive while it is used",
]);

describeFaulty('saves the whole session when touched', (sound) => ({ extend: sound.write }), [
  'a touch does not overwrite what another request saved',
  'a touch does not revive a logged-out session',
  'a touch does not revive an expired session',
  'writes nothing for a request that changes nothing',
]);

describeFaulty(
  'moves the expiry in steps of half a lifetime',
  (sound, { rows }) => ({
    extend(sid, session) {
      const before = rows.get(sid)?.expires ?? 0;
      const after = expiryOf(session);
      if (after - before >= (after - Date.now()) / 2) sound.extend(sid, session);
    },
  }),
  [
    'a touch with a shorter maxAge ends the session sooner',
    'ends an idle session at most a minute, or a tenth of its lifetime, too early',
  ],
);

describeFaulty(
  'never ends a session',
  (sound, { rows }) => ({
    write(sid, session) {
      sound.write(sid, session);
      rows.set(sid, { json: JSON.stringify(session), expires: Infinity });
    },
  }),
  [
    'ends a session when its cookie expires',
    'never returns a session that was set with a past expiry',
    'keeps a touched session alive',
    'a touch does not revive an expired session',
    'a late save does not revive an expired session',
    'a touch with a shorter maxAge ends the session sooner',
    "ends a browser-session cookie's session within two days of its last use",
    'all and length leave out expired sessions',
    'writes nothing for a request that changes nothing',
  ],
);

describeFaulty(
  'skips a save whose data is already stored',
  (sound) => ({
    save(sid, session) {
      const stored = sound.read(sid);
      if (!stored || dataOf(stored) !== dataOf(session)) sound.save(sid, session);
    },
  }),
  [
    'stores a change of the cookie alone',
    'middleware: with resave: true, a session lives as long as it is used',
  ],
);

describeFaulty(
  'counts expired sessions',
  (sound, { rows }) => ({ length: (callback) => sound.respond(callback, () => rows.size) }),
  ['all and length leave out expired sessions'],
);

describeFaulty(
  'mistakes a failure for an unknown session',
  (sound) => ({
    get: (sid, callback) => sound.get(sid, (_error, session) => callback?.(null, session)),
  }),
  [
    'reports a failing get once, through the callback',
    'middleware: every response ends, even when the storage fails',
  ],
);

describeFaulty(
  'gives all readers the same object',
  (sound) => {
    const sessions = new Map<string, SessionData>();
    return {
      write(sid, session) {
        sound.write(sid, session);
        sessions.set(sid, session);
      },
      read: (sid) => sound.read(sid) && sessions.get(sid),
    };
  },
  ['gives each reader a copy'],
);

describeFaulty(
  'cuts off what does not fit in its columns',
  (sound) => ({
    read: (sid) => sound.read(sid.slice(0, 255)),
    write(sid, session) {
      if (JSON.stringify(session).length < 65_536) sound.write(sid.slice(0, 255), session);
    },
  }),
  ['stores a million characters', 'tells ids of a thousand characters apart'],
);

describeFaulty(
  'inserts a new session without checking whether it exists',
  (sound, { rows }) => ({
    set(sid, session, callback) {
      if (!rows.has(sid)) return sound.set(sid, session, callback);
      return setImmediate(() => callback?.(new Error('There is a session with that id.')));
    },
  }),
  [
    'replaces a session that is set again',
    'stores a change of the cookie alone',
    'accepts 20 saves of one new session at the same time',
    'a touch does not overwrite what another request saved',
    'middleware: with resave: true, a session lives as long as it is used',
    'middleware: reload loads what another request saved, and the result can be saved',
    'a late save does not revive an expired session',
    'order: set, then get, without waiting in between',
    'order: set, then set, without waiting in between',
    'order: set, then destroy, without waiting in between',
    'order: a change that is saved, undone and saved, without waiting in between',
    'middleware: the request after a redirect sees what the route changed',
  ],
);

describeFaulty(
  'runs two saves in any order',
  (sound) => {
    let turn = 0;
    return {
      write(sid, session) {
        const copy = JSON.parse(JSON.stringify(session));
        sound.write(sid, session);
        if (++turn % 2) process.nextTick(() => sound.write(sid, copy));
      },
    };
  },
  ['order: set, then set, without waiting in between'],
);

describeFaulty(
  'compares dates as text',
  (sound, { rows }) => ({
    read(sid) {
      const ends = new Date(rows.get(sid)?.expires ?? 0).toISOString();
      return ends > new Date().toISOString() ? sound.read(sid) : undefined;
    },
  }),
  ['keeps a session that ends after the year 9999'],
);

describeFaulty(
  'reports a corrupt session as an error',
  (sound, { rows }) => ({
    get(sid, callback) {
      if (rows.get(sid)?.json !== CORRUPT) return sound.get(sid, callback);
      return setImmediate(() => callback?.(new SyntaxError('Unexpected token')));
    },
  }),
  ['treats a corrupt session as no session'],
);

describeFaulty(
  'lists nothing when one session is corrupt',
  (sound, { rows }) => ({
    list() {
      const isAnyCorrupt = [...rows.values()].some(({ json }) => json === CORRUPT);
      return isAnyCorrupt ? [] : sound.list();
    },
  }),
  ['all leaves out a corrupt session, and lists the others'],
);

describeFaulty(
  'stays broken',
  (sound, store) => {
    let wasBroken = false;
    return {
      respond(callback, work) {
        wasBroken ||= store.isBroken;
        store.isBroken = wasBroken;
        return sound.respond(callback, work);
      },
    };
  },
  [
    'middleware: a failing regenerate reports the error, and the old session remains',
    'works again when its storage does',
  ],
);

type Fault = (sound: SoundStore, store: SoundStore) => Partial<SoundStore>;

/**
 * @param fault changes methods of a store; `sound` has them as they were.
 * @param departures all promises that a store with this fault does not keep.
 */
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
      corrupt: (sid: string) =>
        void store.rows.set(sid, { json: CORRUPT, expires: Date.now() + DAY }),
      writes: () => store.writes,
    };
  };
  describeStore(`a store that ${name}`, create, { departures });
}

function dataOf(session: SessionData): string {
  return JSON.stringify({ ...session, cookie: undefined });
}
