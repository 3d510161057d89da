import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { demo } from '#steps/shared/demo-account.ts';
import { Browser } from '#tests/browser.ts';
import { command, UsageError } from './command.ts';
import { ServerProcess } from './server-process.ts';
import { root, steps } from './steps.ts';
import { table } from './table.ts';

const CONNECTIONS = 16;

/** What one server did in each round: requests per second. */
interface Entrant {
  name: string;
  script: string;
  rates: number[];
}

// npm run bench: how many GET /api/me the real server of each step answers in a second, with a login.
// They take turns, a second each, round after round: a machine that is slower for a while is so for all
// of them, and the ratios hold where the figures themselves do not.
await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '10' } },
  });
  const rounds = Number(values.rounds);
  if (positionals.length > 0 || !(rounds >= 1)) {
    throw new UsageError('Type npm run bench, or npm run bench -- --rounds 20 for more rounds.');
  }
  const entrants: Entrant[] = [
    ...steps.map((step) => ({ name: step, script: join('steps', step, 'server.ts'), rates: [] })),
    { name: '05, the session alone', script: 'tools/bench/session-alone.ts', rates: [] },
    { name: '05, the user alone', script: 'tools/bench/user-alone.ts', rates: [] },
  ];
  console.log(
    `GET /api/me with a login, ${CONNECTIONS} connections, ${rounds} rounds of a second for each server; medians.\n`,
  );
  const folder = await mkdtemp(join(tmpdir(), 'keep-users-logged-in-bench-'));
  const servers: ServerProcess[] = [];
  try {
    const targets: { entrant: Entrant; url: string; cookie: string }[] = [];
    for (const [index, entrant] of entrants.entries()) {
      const DATABASE_URL = `file:${join(folder, `${index}.sqlite3`)}`;
      const server = await ServerProcess.startScript(join(root, entrant.script), { DATABASE_URL });
      servers.push(server);
      targets.push({ entrant, url: server.url, cookie: await logIn(server.url) });
    }
    for (let round = 0; round <= rounds; round++) {
      for (const { entrant, url, cookie } of targets) {
        const rate = await load(url, cookie);
        if (round > 0) entrant.rates.push(rate); // the first round is for warming up
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
    await rm(folder, { recursive: true });
  }
  const ratio = (one: Entrant, other: Entrant | undefined) =>
    median(one.rates.map((rate, round) => rate / (other?.rates[round] ?? 0)));
  const third = entrants.find(({ name }) => name.startsWith('03'));
  console.log(
    table([
      ['server', 'requests per second', 'to step 01', 'to step 03'],
      ...entrants.map((entrant) => [
        entrant.name,
        median(entrant.rates).toFixed(0),
        ratio(entrant, entrants[0]).toFixed(2),
        ratio(entrant, third).toFixed(1),
      ]),
    ]),
  );
});

async function logIn(url: string): Promise<string> {
  const browser = new Browser(url);
  const { status } = await browser.logIn(demo);
  if (status !== 200) throw new Error(`The login was answered with ${status}.`);
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
