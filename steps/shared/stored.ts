import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Store } from 'express-session';

/** One session as its store holds it. */
export interface Stored {
  /** The payload: what the application put in, and the cookie's attributes. */
  session: Record<string, unknown>;
  /** The row around it, for a store in a database: the id of the session, and when it ends. */
  row?: { table: string; sid: string; expired: string };
}

/** @returns the table that a store keeps its sessions in, or undefined when it keeps them in memory. */
export function tableOf(store: Store): string | undefined {
  return store instanceof ConnectSessionKnexStore ? store.options.tableName : undefined;
}

/** @returns the session with that id as the store holds it, or undefined. Looking changes nothing. */
export async function readStored(store: Store, sid: string): Promise<Stored | undefined> {
  if (store instanceof ConnectSessionKnexStore) {
    const { knex, tableName, sidFieldName } = store.options;
    const row = await knex(tableName)
      .where({ [sidFieldName]: sid })
      .first();
    if (!row) return undefined;
    return { session: parse(row.sess), row: { table: tableName, sid, expired: row.expired } };
  }
  return new Promise((resolve, reject) => {
    store.get(sid, (error, session) => {
      if (error) reject(error);
      else resolve(session ? { session: { ...session } } : undefined);
    });
  });
}

/** What is no JSON is shown as it is: who looks inside wants to see just that. */
function parse(sess: string): Record<string, unknown> {
  try {
    return JSON.parse(sess);
  } catch {
    return { 'not JSON': sess };
  }
}

/** @returns how many sessions the store holds, with those that expired and were not deleted yet. */
export async function countStored(store: Store): Promise<number> {
  // MemoryStore deletes what has expired while it counts: asked in its own words, it would never leak.
  if ('sessions' in store && store.sessions) return Object.keys(store.sessions).length;
  return new Promise((resolve, reject) => {
    if (!store.length) reject(new Error('This store cannot count its sessions.'));
    store.length?.((error, count) => (error ? reject(error) : resolve(count ?? 0)));
  });
}
