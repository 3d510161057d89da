import type { SessionData, Store } from 'express-session';
import type { Knex } from 'knex';

/** What a store holds. */
interface Contents {
  /** The table that it keeps its sessions in, or null when it keeps them in memory. */
  table: string | null;
  /** How many sessions it has, including expired ones that have not been deleted yet. */
  sessions: number;
  /** One session: what the application put in, and the cookie's attributes. */
  session: (Record<string, unknown> & { cookie?: { originalMaxAge?: number | null } }) | null;
  /** The other columns in the row of that session: its id, and when it expires. */
  row: { sid: string; expired: string } | null;
}

/** Looks into a store, which changes nothing. @param sid the id of one session to read. */
export async function readStore(store: Store, sid: string): Promise<Contents> {
  const knex = knexOf(store);
  if (!knex) {
    const session = await resultOf<SessionData | null>((done) => store.get(sid, done));
    const sessions = await countInMemory(store);
    return { table: null, sessions, session: session ? { ...session } : null, row: null };
  }
  const [count] = await knex('sessions').count({ sessions: '*' });
  const row = await knex('sessions').where('sid', storedId(store, sid)).first();
  return {
    table: 'sessions',
    sessions: Number(count?.sessions),
    session: row ? parse(row.sess) : null,
    row: row ? { sid: row.sid, expired: new Date(row.expired).toISOString() } : null,
  };
}

async function countInMemory(store: Store): Promise<number> {
  // MemoryStore's length() deletes expired sessions while it counts, which would hide the leak.
  if ('sessions' in store && store.sessions) return Object.keys(store.sessions).length;
  return (await resultOf<number>((done) => (store.length ? store.length(done) : done(null)))) ?? 0;
}

/** @returns the id that a store saves a session under: its own, or from step 08 on a hash of it. */
export function storedId(store: Store, sid: string): string {
  return 'storedId' in store && typeof store.storedId === 'function' ? store.storedId(sid) : sid;
}

/** The Knex instance of a store in a database: the library's store, or one that has it as `knex`. */
function knexOf(store: Store): Knex | undefined {
  const { knex, options } = Object(store);
  const found = knex ?? options?.knex;
  return isKnex(found) ? found : undefined;
}

function isKnex(value: unknown): value is Knex {
  return typeof value === 'function' && 'migrate' in value;
}

/** Waits for what a method calls back with. (Node's promisify warns about methods that also return a promise.) */
export function resultOf<T>(
  method: (done: (error: unknown, result?: T) => void) => unknown,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    method((error, result) => (error ? reject(error) : resolve(result)));
  });
}

/** PostgreSQL gives JSON parsed, SQLite as text. A payload that is not JSON is shown as it is. */
function parse(sess: string | Record<string, unknown>): Record<string, unknown> {
  if (typeof sess === 'object') return sess;
  try {
    return JSON.parse(sess);
  } catch {
    return { 'not JSON': sess };
  }
}
