import { promisify } from 'node:util';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Store } from 'express-session';
import type { Knex } from 'knex';

const TABLE = 'sessions';

/** One session as its store holds it. */
export interface StoredSession {
  /** The payload: what the application put in, and the cookie's attributes. */
  session: Record<string, unknown> & { cookie?: { originalMaxAge?: number | null } };
  /** The row around it, when the store is in a database: the session id, and when the session expires. */
  row?: { table: string; sid: string; expired: string };
}

/** @returns the table that a store keeps its sessions in, or undefined when it keeps them in memory. */
export function tableOf(store: Store): string | undefined {
  return knexOf(store) && TABLE;
}

/** @returns the session with that id as the store holds it, or undefined. Reading it changes nothing. */
export async function readSession(store: Store, sid: string): Promise<StoredSession | undefined> {
  const knex = knexOf(store);
  if (knex) {
    const row = await knex(TABLE)
      .where({ sid: storedId(store, sid) })
      .first();
    return (
      row && {
        session: parse(row.sess),
        row: { table: TABLE, sid: row.sid, expired: new Date(row.expired).toISOString() },
      }
    );
  }
  const session = await promisify(store.get.bind(store))(sid);
  return session ? { session: { ...session } } : undefined;
}

/** @returns how many sessions the store holds, including expired ones that have not been deleted yet. */
export async function countSessions(store: Store): Promise<number> {
  const knex = knexOf(store);
  if (knex) return Number((await knex(TABLE).count({ sessions: '*' }))[0]?.sessions);
  // MemoryStore's length() deletes expired sessions while it counts, which would hide the leak.
  if ('sessions' in store && store.sessions) return Object.keys(store.sessions).length;
  const length = store.length && (await promisify(store.length.bind(store))());
  return length ?? 0;
}

/** @returns the id that a store saves a session under: its own, or from step 08 on a hash of it. */
export function storedId(store: Store, sid: string): string {
  return 'storedId' in store && typeof store.storedId === 'function' ? store.storedId(sid) : sid;
}

/** The Knex instance of a store in a database: the library's store, or one that has it as `knex`. */
function knexOf(store: Store): Knex | undefined {
  if (store instanceof ConnectSessionKnexStore) return store.options.knex;
  return 'knex' in store && isKnex(store.knex) ? store.knex : undefined;
}

function isKnex(value: unknown): value is Knex {
  return typeof value === 'function' && 'migrate' in value;
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
