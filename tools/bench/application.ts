import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import express from 'express';
import expressSession, { type Store } from 'express-session';
import createError from 'http-errors';
import createKnex from 'knex';
import { listen, urlOf } from '#steps/shared/serve.ts';
import { resultOf } from '#steps/shared/store-contents.ts';
import { adapters } from '../contract/adapters.ts';
import { ownStores } from './own-stores.ts';

// The application of npm run bench stores, over one store.

const BATCH = 1000; // sessions
const firstIds = [...'abcdefghijklmnopqrst']; // sessions that cookies can have
const DAY = 24 * 60 * 60 * 1000; // in milliseconds
const pruneMethods = ['prune', 'pruneSessions', 'clearExpiredSessions', 'dbCleanup'];

const { name, packages, url, secret } = JSON.parse(process.env.BENCH ?? '{}');
const folder = join(packages, 'store');
mkdirSync(folder);
const load = createRequire(join(packages, 'package.json'));
const adapter = adapters[name];
const session: typeof expressSession = adapter ? load('express-session') : expressSession;
const made = adapter?.({ load, session, folder, url, realTime: true });
const subject: { store: Store; writes?(): number } = Object(
  await (made ?? ownStores[name]?.({ folder, url })),
);
const { store } = subject;
await resultOf((done) => store.get('unknown', () => done(null))); // some create their table at the first call

const tasks: Record<string, () => unknown> = { fill, prune, countBytes, writes: countWrites };
const settings = { name: 'sid', secret, resave: false, saveUninitialized: false };
const app = express();
app.post('/tasks/:task', async (req, res) => res.json(await tasks[req.params.task]?.()));
app.use(session({ store, cookie: { maxAge: DAY }, ...settings }));
app.post('/login', (req, res, next) => {
  if (req.headers.authorization !== secret) throw createError(401);
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.userId = 1;
    req.session.save((error) => (error ? next(error) : res.json({ userId: 1 })));
  });
});
app.get('/me', ({ session: { userId } }, res) => {
  res.status(userId ? 200 : 401).json({ userId });
});
console.log(`${name} · ${urlOf(await listen(app, { port: 0, host: '127.0.0.1' }))} · \n`);

/** Saves 1,000 sessions, 20 at once. */
async function fill(maxAge = DAY): Promise<number> {
  for (let saved = 0; saved < BATCH; saved += firstIds.length) {
    const sids = saved === 0 ? firstIds : firstIds.map(randomId);
    await Promise.all(
      sids.map((sid) => {
        const cookie = Object.assign(new expressSession.Cookie(), { maxAge });
        return resultOf<void>((done) => store.set(sid, Object({ cookie, userId: 1 }), done));
      }),
    );
  }
  return BATCH;
}

function randomId(): string {
  return randomBytes(24).toString('base64url');
}

/** @returns how long the store takes to delete 1,000 expired sessions, in milliseconds, if it can. */
async function prune(): Promise<number | null> {
  const [method] = pruneMethods.flatMap((method) => Reflect.get(store, method) ?? []);
  if (!method) return null;
  await fill(-DAY);
  const begun = performance.now();
  if (method.length === 0) await Reflect.apply(method, store, []);
  else await new Promise((resolve) => Reflect.apply(method, store, [resolve]));
  return performance.now() - begun;
}

function countWrites(): number | null {
  return subject.writes?.() ?? null;
}

/** @returns the size of the sessions, with what else there is. */
async function countBytes(): Promise<number> {
  if (/^postgres/.test(url)) {
    const knex = createKnex({ client: 'pg', connection: url });
    await knex.raw('vacuum sessions');
    const { rows } = await knex.raw("select pg_total_relation_size('sessions') as bytes");
    await knex.destroy();
    return Number(rows[0].bytes);
  }
  if (/^redis/.test(url)) {
    const client = await load('redis').createClient({ url }).connect();
    const memory = await client.info('memory');
    client.destroy();
    return Number(/used_memory:(\d+)/.exec(memory)?.[1]);
  }
  await Object(store).knex?.raw('pragma wal_checkpoint(truncate)');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const sizes = files.map((file) => statSync(join(folder, file)).blocks * 512);
  if (sizes.length > 0) return sizes.reduce((sum, size) => sum + size);
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
