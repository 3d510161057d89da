import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { count, onFolder, onPostgres, onRedis, onTable } from './storage.ts';

/** What each store needs from npm besides express-session, with the newest version that it works with. */
export const packages: Record<string, string[]> = {
  'connect-pg-simple': ['pg'],
  'connect-redis': ['redis'],
  'connect-sqlite3': ['sqlite3@5'],
  'better-sqlite3-session-store': ['better-sqlite3@12'],
  'session-file-store': [],
  'connect-session-sequelize': ['sequelize', 'pg'],
  'level-session-store': ['level@6'],
  'connect-typeorm': ['typeorm@0.3', 'pg'],
  'connect-mongo': ['mongodb'],
};

interface Given {
  load: NodeJS.Require; // from the folder with the packages
  session: unknown; // express-session
  folder: string; // empty, and its name is new for each store
  url: string; // of the service that the store needs
  realTime?: boolean; // nobody moves the clock of this process
}

/** Sets a store up as its README says, on an empty storage. Each returns a subject of the store contract. */
export const adapters: Record<string, (given: Given) => Promise<object>> = {
  async 'connect-pg-simple'({ load, session, url }) {
    const { pool, ...hooks } = await onPostgres(load, url, 'sess');
    const PgStore = load('connect-pg-simple')(session);
    const settings = { tableName: 'sessions', createTableIfMissing: true };
    return { ...hooks, store: new PgStore({ pool, ...settings, pruneSessionInterval: false }) };
  },
  async 'connect-redis'({ load, url, folder: prefix }) {
    const client = await load('redis').createClient({ url }).on('error', Boolean).connect();
    const store = new (load('connect-redis').RedisStore)({ client, prefix });
    return { ...onRedis(client, prefix), store };
  },
  async 'connect-sqlite3'({ load, session, folder: dir }) {
    const store = new (load('connect-sqlite3')(session))({ dir });
    const run = (sql: string) => new Promise((resolve) => store.db.run(sql, resolve));
    const close = () => store.db.close();
    return { ...onTable(run, 'sess'), store, close, writes: count(store.db, 'run', 'all', 'exec') };
  },
  async 'better-sqlite3-session-store'({ load, session, folder, realTime }) {
    const Database = load('better-sqlite3');
    const client = new Database(join(folder, 'sessions.sqlite3'));
    const clock = new Database(':memory:').prepare('select datetime(?)').pluck();
    const datetime = (text: string) => clock.get(text === 'now' ? new Date().toISOString() : text);
    if (!realTime) client.function('datetime', datetime); // SQLite's, but with our clock
    const store = new (load('better-sqlite3-session-store')(session))({ client });
    const hooks = onTable(async (sql) => client.exec(sql), 'sess');
    return { ...hooks, store, writes: count(client, 'prepare'), close: () => client.close() };
  },
  async 'session-file-store'({ load, session, folder }) {
    const path = join(folder, 'sessions');
    mkdirSync(path);
    const store = new (load('session-file-store')(session))({ path, reapInterval: -1, logFn() {} });
    const file = (sid: string) => join(path, `${sid}.json`);
    const corrupt = (sid: string, text: string) => writeFileSync(file(sid), text);
    return { ...onFolder(path), store, corrupt, writes: () => statSync(file('a')).ctimeMs };
  },
  async 'connect-session-sequelize'({ load, session, url }) {
    const { pool, ...hooks } = await onPostgres(load, url, 'data');
    const db = new (load('sequelize').Sequelize)(url, { logging: false });
    const SequelizeStore = load('connect-session-sequelize')(Object(session).Store);
    const store = new SequelizeStore({ db, tableName: 'sessions', checkExpirationInterval: 0 });
    await store.sync();
    return { ...hooks, store, close: () => Promise.all([pool.end(), db.close()]) };
  },
  async 'level-session-store'({ load, session, folder }) {
    const store = new (load('level-session-store')(session))(folder);
    await new Promise((done) => store.once('connect', done));
    await store.db.put('__length__', 0); // it says that it is connected before it has written this
    const { db } = store;
    const corrupt = (sid: string, text: string) => db.put(sid, text);
    const close = () => db.close();
    const hooks = { corrupt, close, breakStorage: close, restoreStorage: () => db.open() };
    return { ...hooks, store, writes: count(db, 'put', 'batch', 'del') };
  },
  async 'connect-typeorm'({ load, url }) {
    const { pool, ...hooks } = await onPostgres(load, url, 'json', 'id');
    const { DataSource, EntitySchema } = load('typeorm');
    const id = { type: 'varchar', length: 255, primary: true };
    const destroyedAt = { type: 'timestamp', nullable: true, deleteDate: true };
    const columns = { id, destroyedAt, json: { type: 'text' }, expiredAt: { type: 'bigint' } };
    const entity = new EntitySchema({ name: 'sessions', columns });
    const data = new DataSource({ type: 'postgres', url, entities: [entity], synchronize: true });
    const repository = (await data.initialize()).getRepository(entity);
    const store = new (load('connect-typeorm').TypeormStore)().connect(repository);
    return { ...hooks, store, close: () => Promise.all([pool.end(), data.destroy()]) };
  },
  async 'connect-mongo'({ load, url, folder }) {
    const client = await new (load('mongodb').MongoClient)(url).connect();
    const collectionName = basename(folder);
    const store = load('connect-mongo').default.create({ client, collectionName });
    const close = () => client.db().dropCollection(collectionName);
    return { store, close: () => close().then(() => client.close()) };
  },
};
