import { setTimeout as pause } from 'node:timers/promises';
import { signedCookie } from '../browser.ts';
import { UsageError } from '../command.ts';
import { packages } from '../contract/adapters.ts';
import { startNeeded } from '../contract/servers.ts';
import { install } from '../contract/try.ts';
import { send } from '../rate.ts';
import { ServerProcess } from '../server-process.ts';
import { findStep } from '../steps.ts';
import { makeTemporaryFolder } from '../temporary.ts';
import type { Ends, Entrant } from './entrant.ts';

const BASE = 'MemoryStore';
const secret = 'secret'; // signs the cookies, and is the password
const cookies = [...'abcdefghijklmnop'].map((id) => signedCookie(id, secret)); // one for each connection

/** What each store needs. */
export const stores: Record<string, string[]> = {
  [BASE]: ['memory'],
  '07-cheap-reads': ['sqlite3'],
  '10-many-servers': ['pg'],
  'connect-session-knex': ['sqlite3'],
  'connect-session-knex:pg': ['pg'],
  ...packages,
};
const titles = { pg: 'PostgreSQL', sqlite3: 'SQLite', redis: 'Redis', level: 'LevelDB' };
const storages = Object.entries({ ...titles, mongodb: 'MongoDB', memory: 'memory' });

/** @param words stores, or numbers of steps. @returns the names of these stores, or of all, after that of the base. */
export function storesNamed(words: string[]): string[] {
  const names = words.length > 0 ? words.map(nameOf) : Object.keys(stores);
  return [...new Set([BASE, ...names])];
}

function nameOf(word: string): string {
  const name = /^\d+$/.test(word) ? findStep(word) : word;
  if (Object.hasOwn(stores, name)) return name;
  throw new UsageError(`There is no store ${word}. Give one of ${Object.keys(stores).join(', ')}.`);
}

/** Starts the application over a store. @param sessions to fill it with, in thousands. */
export async function enterStore(name: string, ends: Ends, sessions: number): Promise<Entrant> {
  const { path: folder, remove } = await makeTemporaryFolder();
  ends.push(remove);
  const needs = stores[name] ?? [];
  const version = Object.hasOwn(packages, name) ? await install(name, needs, folder) : '';
  const database = await startNeeded(needs, folder);
  ends.push(database.stop);
  const BENCH = JSON.stringify({ name, packages: folder, url: database.url, secret });
  const server = await ServerProcess.startScript('tools/bench/application.ts', { BENCH });
  ends.push(() => server.end('SIGKILL'));
  const { url } = server;
  const [, storage = 'files'] = storages.find(([need]) => `${needs}`.includes(need)) ?? [];
  const costs = await measureCosts(url, sessions);
  const logIn = () => send(`${url}/login`, { method: 'POST', headers: { authorization: secret } });
  const check = (at: number) => send(`${url}/me`, { headers: { cookie: cookies[at] } });
  const works = [
    { title: 'checks', run: check, rates: [] },
    { title: 'logins', run: logIn, rates: [] },
  ];
  return { name: `${name.replace(':pg', '')} ${version}`.trim(), storage, works, costs };
}

async function measureCosts(url: string, sessions: number): Promise<Record<string, string>> {
  const run = async (task: string): Promise<number> => {
    const response = await fetch(`${url}/tasks/${task}`, { method: 'POST' });
    if (response.ok) return JSON.parse(await response.text()) ?? Number.NaN;
    throw new Error(`The task ${task} failed: ${response.status}.`);
  };
  const empty = await run('countBytes');
  const pruning = await run('prune');
  await run('countBytes'); // PostgreSQL reuses the space of deleted rows only after its vacuum
  for (let filled = 0; filled < sessions; filled++) await run('fill');
  const megabytes = ((await run('countBytes')) - empty) / 10 / sessions / 1000;
  const pruningMore = await run('prune');
  await run('fill'); // the pruning has deleted the sessions of the cookies
  let count = await run('writes');
  let writes = count * 0; // not a number, when the store has nothing to count
  for (let check = 0; check < 100; check++) {
    await send(`${url}/me`, { headers: { cookie: cookies[0] } });
    await pause(10); // longer than a file system's unit of time
    const now = await run('writes');
    if (now > count) writes += 1;
    count = now;
  }
  const costs = {
    'writes per 100 checks': writes,
    'MB per 100,000 sessions': megabytes,
    'prune 1,000 (ms)': pruning,
    [`prune 1,000 of ${sessions + 1},000 (ms)`]: pruningMore,
  };
  const text = (cost: number) => (Number.isNaN(cost) ? '-' : String(Math.round(cost)));
  return Object.fromEntries(Object.entries(costs).map(([title, cost]) => [title, text(cost)]));
}
