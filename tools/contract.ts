import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { command, UsageError } from './command.ts';
import { packages } from './contract/adapters.ts';
import { fileOf, type Outcome, tryStore } from './contract/try.ts';
import { run } from './processes.ts';
import { table } from './table.ts';

const ours = 'vitest run --project rest tests/stores.test.ts'.split(' ');

// npm run contract: holds the stores of this tutorial to the store contract, and prints which keeps what.
// npm run contract NAME: holds stores to it that are on npm, or in files.
await command(async () => {
  const { positionals: names } = parseArgs({ allowPositionals: true, options: {} });
  names.forEach(check);
  // Exit in order, so temporary folders are removed.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const results = names.length > 0 ? await tryAll(names) : await tryOurs();
  print('required: express-session needs it', results, 'required');
  print('stronger: people rely on it, express-session does not ask for it', results, 'stronger');
  if (results.size === 0) return;
  console.log(
    'yes: kept. no: not kept. -: not tried, because the store or its adapter lacks what it needs. dies, hangs: its process.',
  );
  if (names.length !== 1) return;
  for (const { promise, reason } of [...results.values()].flat()) {
    if (reason) console.log(`\n${promise}:\n  ${reason.split('\n')[0]}`);
  }
}, 'Type npm run contract, npm run contract connect-redis, or npm run contract ./my-store.ts.');

/** What each store does, in the order of the contract. */
type Results = Map<string, Outcome[]>;

function check(name: string): void {
  if (Object.hasOwn(packages, name) || (/^[./]/.test(name) && existsSync(fileOf(name)))) return;
  const known = Object.keys(packages).join(', ');
  throw new UsageError(
    `There is no store ${name}. Give a file, as in ./my-store.ts, or one of ${known}.`,
  );
}

/** A store that cannot be tried does not keep the others from it. */
async function tryAll(names: string[]): Promise<Results> {
  const results: Results = new Map();
  for (const name of names) {
    console.error(`Trying ${name} …`);
    try {
      results.set(...(await tryStore(name)));
    } catch (error) {
      console.error(`${name} cannot be tried: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    }
  }
  return results;
}

async function tryOurs(): Promise<Results> {
  const { code, stdout } = await run('npx', [
    ...ours,
    '-t',
    '^store contract: ',
    '--reporter=json',
  ]);
  if (code !== 0) {
    console.error(`A test failed. To see why: npx ${ours.join(' ')}`);
    process.exitCode = 1;
  }
  const results: Results = new Map();
  for (const { ancestorTitles, title, status } of JSON.parse(stdout).testResults[0]
    .assertionResults) {
    const [, store] = /^store contract: (.+)/.exec(ancestorTitles[0] ?? '') ?? [];
    if (!store) continue;
    const promise = title.replace(/^known departure: /, '');
    const kept = promise === title ? 'yes' : 'no'; // the test of a departure passes while the store departs
    const verdict = status === 'passed' ? kept : status === 'skipped' ? '-' : 'FAILED';
    const outcome = { section: ancestorTitles[1], promise, verdict };
    results.set(store, [...(results.get(store) ?? []), outcome]);
  }
  return results;
}

function print(title: string, results: Results, section: string): void {
  const outcomes = [...results.values()].flat().filter((outcome) => outcome.section === section);
  const promises = new Set(outcomes.map(({ promise }) => promise));
  const rows = [...promises].map((promise) => [
    promise,
    ...[...results.values()].map(
      (all) => all.find((one) => one.promise === promise)?.verdict ?? '',
    ),
  ]);
  if (rows.length > 0) console.log(`${table([[title, ...results.keys()], ...rows])}\n`);
}
