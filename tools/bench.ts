import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chart } from './bench/chart.ts';
import { compare, type Ends, type Entrant } from './bench/entrant.ts';
import { enterStep } from './bench/steps.ts';
import { enterStore, storesNamed } from './bench/stores.ts';
import { command, UsageError } from './command.ts';
import { median } from './median.ts';
import { rate } from './rate.ts';
import { stepNames } from './steps.ts';
import { table } from './table.ts';

const CONNECTIONS = 16;
const usage =
  'Type npm run bench, npm run bench stores, or npm run bench -- --rounds 20 for more rounds.';

// npm run bench: how many sessions the real server of each step checks in a second.
// npm run bench stores: the same for one application over several stores, and what else a store costs.
// They take turns, a second each, round after round: when the machine is slow for a while, it is slow for all of
// them, and the ratios still hold.
await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '10' },
      // of npm run bench stores only
      sessions: { type: 'string', default: '10' }, // in each store, in thousands
      chart: { type: 'string' }, // where to write a chart of the checks
    },
  });
  const [what, ...words] = positionals;
  const [rounds = 0, sessions = 0] = [values.rounds, values.sessions].map(Number);
  const isValid = rounds >= 1 && sessions >= 1 && Number.isInteger(sessions);
  if (!isValid || !['stores', undefined].includes(what)) throw new UsageError(usage);
  // Exit in order, so temporary folders are removed.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

  const names = what ? storesNamed(words) : stepNames;
  const entrants = await measure(names, rounds, (name, ends) =>
    what ? enterStore(name, ends, sessions) : enterStep(name, ends),
  );
  const [base] = entrants;
  if (!base) return;
  console.log(table([headerOf(base), ...entrants.map((entrant) => rowOf(entrant, base))]));
  if (!values.chart) return;
  const bars = entrants.map(({ name, storage, works: [checks] }) => {
    const ratios = compare(checks?.rates, base.works[0]?.rates);
    return { label: `${name}, ${storage}`, ...ratios };
  });
  const picture = chart(`Session checks per second, compared with ${base.name}`, bars);
  writeFileSync(resolve(process.env.INIT_CWD ?? '.', values.chart), picture);
}, usage);

/** @returns those that could be measured. */
async function measure(
  names: string[],
  rounds: number,
  enter: (name: string, ends: Ends) => Promise<Entrant>,
): Promise<Entrant[]> {
  const entrants = new Map<string, Entrant>();
  const ends: Ends = [];
  const attempt = (name: string, work: () => Promise<unknown>) =>
    work().catch((error) => {
      entrants.delete(name);
      console.error(`${name} is left out: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    });
  for (const name of names) {
    console.error(`Preparing ${name} …`);
    await attempt(name, async () => entrants.set(name, await enter(name, ends)));
  }
  for (let round = 0; round <= rounds; round++) {
    for (const [name, { works }] of entrants) {
      await attempt(name, async () => {
        for (const { run, rates } of works) {
          const measured = await rate(run, CONNECTIONS);
          if (round > 0) rates.push(measured); // the first round warms up
        }
      });
    }
  }
  for (const end of ends.reverse()) await end();
  return [...entrants.values()];
}

function headerOf({ name, works, costs }: Entrant): string[] {
  const rates = works.flatMap(({ title }) => [`${title} per second`, `to ${name}`]);
  return ['name', 'storage', ...rates, ...Object.keys(costs)];
}

function rowOf({ name, storage, works, costs }: Entrant, base: Entrant): string[] {
  const cells = works.flatMap(({ rates }, at) => {
    const { ratio, low, high } = compare(rates, base.works[at]?.rates);
    const range = `(${low.toFixed(2)}–${high.toFixed(2)})`;
    return [`${Math.round(median(rates))}`, `${ratio.toFixed(2)} ${range}`];
  });
  return [name, storage, ...cells, ...Object.values(costs)];
}
