import { parseArgs } from 'node:util';
import { announcement, type Measured, measure, titles, toRow } from '#tests/measure.ts';
import { command, UsageError } from './command.ts';
import { steps } from './steps.ts';
import { table } from './table.ts';

await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length > 0) throw new UsageError('Type npm run compare: it compares all steps.');
  console.log(`${announcement}\n`);
  const measured: Measured[] = [];
  for (const step of steps) {
    if (process.stderr.isTTY) process.stderr.write(`\r${step} ...`);
    measured.push(await measure(step));
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(table([titles, ...measured.map(toRow)]));
});
