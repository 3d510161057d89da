import { join } from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { startPostgres } from '#database/postgres.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { readStep } from '#steps/shared/step.ts';
import { Browser } from './browser.ts';
import { command, UsageError } from './command.ts';
import { manyServers } from './postgres-of-step.ts';
import { ServerProcess } from './server-process.ts';
import { numberOf, stepFolder, stepNames } from './steps.ts';
import { table } from './table.ts';
import { makeTemporaryFolder } from './temporary.ts';

const CONNECTIONS = 16;

/** A server, a login there, and its requests per second in each round. */
interface Entrant {
  name: string;
  server: ServerProcess;
  cookie: string;
  rates: number[];
  /** Stops its database. */
  stop(): Promise<void>;
}

/** What is measured: a step's server, or a variant of it. */
const candidates: { name: string; step: string; script?: string; servers?: number }[] = [
  ...stepNames.map((step) => ({ name: nameOf(step), step })),
  { name: `step ${numberOf(manyServers)}, two servers`, step: manyServers, servers: 2 },
  {
    name: 'step 7, reading only the session',
    step: '07-cheap-reads',
    script: 'tools/bench/session-alone.ts',
  },
  {
    name: 'step 7, reading only the user',
    step: '07-cheap-reads',
    script: 'tools/bench/user-alone.ts',
  },
];

const usage = 'Type npm run bench, or npm run bench -- --rounds 20 for more rounds.';

// npm run bench: how many GET /api/me the real server of each step answers in a second, with a login.
// The servers take turns, a second each, round after round: when the machine is slow for a while, it is slow
// for all of them, and the ratios still hold.
await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '10' } },
  });
  const rounds = Number(values.rounds);
  if (positionals.length > 0 || !(rounds >= 1)) {
    throw new UsageError(usage);
  }
  console.log(
    `GET /api/me with a login, ${CONNECTIONS} connections, a second per server and round. Medians, rounds: ${rounds}.\n`,
  );
  const folder = await makeTemporaryFolder();
  const entrants: Entrant[] = [];
  for (const { name, step, script = `steps/${step}/server.ts`, servers = 1 } of candidates) {
    const database = await makeDatabase(step, join(folder.path, String(entrants.length)));
    const environment = { DATABASE_URL: database.url, SERVERS: String(servers) };
    const server = await ServerProcess.startScript(script, environment);
    const cookie = await logIn(server.url);
    entrants.push({ name, server, cookie, rates: [], stop: database.stop });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { server, cookie, rates } of entrants) {
      const rate = await load(server.url, cookie);
      if (round > 0) rates.push(rate); // the first round warms up
    }
  }
  for (const { server, stop } of entrants) {
    await server.end('SIGTERM');
    await stop();
  }
  await folder.remove();
  const ratio = (one: Entrant, other: Entrant | undefined) =>
    median(one.rates.map((rate, round) => rate / (other?.rates[round] ?? 0)));
  const third = entrants.find(({ name }) => name === nameOf('03-knex-sqlite'));
  console.log(
    table([
      ['server', 'requests per second', 'to step 1', 'to step 3'],
      ...entrants.map((entrant) => [
        entrant.name,
        median(entrant.rates).toFixed(0),
        ratio(entrant, entrants[0]).toFixed(2),
        ratio(entrant, third).toFixed(1),
      ]),
    ]),
  );
}, usage);

/** The name of a step's row, as the tutorial has it. */
function nameOf(step: string): string {
  const notes: Record<string, string> = { 1: ', in memory', 3: ', writes with each request' };
  return `step ${numberOf(step)}${notes[numberOf(step)] ?? ''}`;
}

/** Makes a database as a step has it by default, at a path that does not exist yet. */
async function makeDatabase(step: string, path: string) {
  const { store } = readStep(stepFolder(step));
  if (store === 'postgresql') return startPostgres(path);
  return { url: `file:${path}.sqlite3`, stop: async () => {} };
}

async function logIn(url: string): Promise<string> {
  const browser = new Browser(url);
  const { status } = await browser.logIn(demo);
  if (status !== 200) throw new Error(`The login got a ${status}.`);
  return browser.cookie ?? '';
}

/** @returns how many requests a server answered in a second. */
async function load(url: string, cookie: string): Promise<number> {
  const result = await autocannon({
    url: `${url}/api/me`,
    headers: { cookie },
    connections: CONNECTIONS,
    duration: 1,
  });
  const failed = result.non2xx + result.errors;
  if (failed > 0) throw new Error(`${failed} requests failed.`);
  return result['2xx'] / result.duration;
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}
