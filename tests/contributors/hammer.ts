// One of two processes that hammer the same sessions. Each creates sessions and keeps saving them, even after the
// other process has destroyed them. Prints what it saw as JSON; an error ends it.
import { promisify } from 'node:util';
import expressSession, { type SessionData } from 'express-session';
import { openStoreOf } from '../store-of-step.ts';

const [step = '', url = '', me = '', other = '', seconds = ''] = process.argv.slice(2);

const seen = { saves: 0, lostUpdates: 0, revivals: 0 };
const { store, close } = await openStoreOf(step, url);
const get = promisify(store.get.bind(store));
const load = promisify(store.load.bind(store));
const set = promisify(store.set.bind(store));
const destroy = promisify(store.destroy.bind(store));

/** A session that this worker has loaded, and whether the other process has destroyed it. */
interface Loaded {
  id: string;
  session: SessionData;
  count: number;
  isGone: boolean;
}
let created = 0;

async function create(mine: Loaded[]): Promise<void> {
  const id = `${me}-${created++}`;
  const cookie = new expressSession.Cookie();
  cookie.maxAge = 60 * 60 * 1000;
  await set(id, Object.assign(Object.create(null), { cookie, count: 0 }));
  const session = await load(id);
  if (!session) return; // the other process was quick
  mine.push({ id, session, count: 0, isGone: false });
  if (mine.length > 20) mine.shift();
}

async function save(mine: Loaded[]): Promise<void> {
  const own = pick(mine);
  if (!own) return;
  seen.saves += 1;
  own.count += 1;
  await set(own.id, Object.assign(own.session, { count: own.count }));
  const found = await get(own.id);
  if (!found) own.isGone = true;
  else if (own.isGone) seen.revivals += 1;
  else if (Reflect.get(found, 'count') !== own.count) seen.lostUpdates += 1;
}

async function end(): Promise<void> {
  const id = `${other}-${Math.floor(Math.random() * (created + 1))}`;
  if (!(await get(id))) return;
  await destroy(id);
  for (let times = 0; times < 3; times++) if (await get(id)) seen.revivals += 1;
}

function pick<T>(items: T[]): T | undefined {
  return items[Math.floor(Math.random() * items.length)];
}

const deadline = Date.now() + Number(seconds) * 1000;
const worker = async () => {
  const mine: Loaded[] = [];
  while (Date.now() < deadline) await pick([create, save, save, save, save, end])?.(mine);
};
await Promise.all([worker(), worker(), worker(), worker()]);
await close();
console.log(JSON.stringify(seen));
