import { renameSync, rmSync, writeFileSync } from 'node:fs';

// What the store contract does to the storage of a store: hooks for the adapters.

/** A table `sessions`, of which SQL says how to run it. @param column of the session. @param key of its id. */
export function onTable(run: (sql: string) => Promise<unknown>, column: string, key = 'sid') {
  const write = (sid: string, text: string) =>
    run(`update sessions set ${column} = '${text}' where ${key} = '${sid}'`);
  return {
    breakStorage: () => run('alter table sessions rename to away'),
    restoreStorage: () => run('alter table away rename to sessions'),
    corrupt: (sid: string, text: string) => write(sid, text).catch(() => write(sid, '{}')),
  };
}

/** An empty PostgreSQL, and a pool of connections to it. */
export async function onPostgres(load: NodeJS.Require, url: string, column: string, key?: string) {
  const pg = load('pg');
  const pool = new pg.Pool({ connectionString: url }).on('error', () => {});
  await pool.query('drop schema public cascade; create schema public');
  const writes = count(pg.Client.prototype, 'query');
  return {
    ...onTable((sql) => pool.query(sql), column, key),
    pool,
    writes,
    close: () => pool.end(),
  };
}

/** A client of Redis, as far as it is used here. */
interface Redis {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  destroy(): void;
  set(key: string, text: string, options: { KEEPTTL: true }): Promise<unknown>;
  keys(pattern: string): Promise<string[]>;
  pTTL(key: string): Promise<number>;
  pExpire(key: string, duration: number): Promise<unknown>;
  del(key: string): Promise<unknown>;
}

/** The keys of a Redis that begin with a prefix. Redis has a clock of its own, so their time passes by hand. */
export function onRedis(client: Redis, prefix: string) {
  const writes = count(client, 'set', 'expire');
  let time = Date.now();
  return {
    writes,
    breakStorage: () => client.destroy(),
    restoreStorage: () => client.connect(),
    corrupt: (sid: string, text: string) => client.set(prefix + sid, text, { KEEPTTL: true }),
    async setTime(now: Date) {
      const passed = now.getTime() - time;
      time += passed;
      for (const key of await client.keys(`${prefix}*`)) {
        const left = await client.pTTL(key);
        if (left >= 0) await (left > passed ? client.pExpire(key, left - passed) : client.del(key));
      }
    },
    async close() {
      if (!client.isOpen) await client.connect();
      for (const key of await client.keys(`${prefix}*`)) await client.del(key);
      client.destroy();
    },
  };
}

/** A folder. While it is broken, a file has its name. */
export function onFolder(path: string) {
  return {
    breakStorage() {
      renameSync(path, `${path}-away`);
      writeFileSync(path, '');
    },
    restoreStorage() {
      rmSync(path);
      renameSync(`${path}-away`, path);
    },
  };
}

/** Counts the calls of methods, except for SQL that only reads. */
export function count(target: object, ...methods: string[]): () => number {
  let calls = 0;
  for (const method of methods) {
    const original = Reflect.get(target, method);
    Reflect.set(target, method, function (this: object, ...args: unknown[]) {
      const sql = Object(args[0]).text ?? args[0]; // pg takes it in an object, too
      if (!/^\s*select/i.test(String(sql))) calls += 1;
      return Reflect.apply(original, this, args);
    });
  }
  return () => calls;
}
