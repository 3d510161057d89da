import { parseArgs } from 'node:util';
import { command } from './command.ts';
import { measure } from './measure.ts';
import { columns, textsOf } from './outcomes.ts';
import { findStep, stepNames } from './steps.ts';
import { table } from './table.ts';

// npm run compare: what the real server of each step does, measured. npm run compare 3 4: only these steps.
await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  const steps = positionals.length > 0 ? positionals.map(findStep) : stepNames;
  console.log('Starting, stopping and killing the real server of each step.\n');
  const rows = [['step', ...Object.values(columns).map(({ title }) => title)]];
  for (const step of steps) {
    if (process.stderr.isTTY) process.stderr.write(`\r${step} ...`);
    rows.push([step, ...textsOf(await measure(step))]);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(table(rows));
}, 'Type npm run compare, or give steps: npm run compare 3 4.');
