import { parseArgs } from 'node:util';
import { type Measured, measure } from '#tests/measure.ts';
import { command, UsageError } from './command.ts';
import { steps } from './steps.ts';
import { table } from './table.ts';

const columns: [title: string, cell: (measured: Measured) => string][] = [
  ['step', ({ step }) => step],
  ['after a restart', ({ restart }) => restart],
  ['after SIGKILL', ({ crash }) => crash],
  ['what of the user is stored', ({ stored }) => stored.join(', ')],
  ['expired sessions', ({ expired }) => expired],
];

await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length > 0) throw new UsageError('Type npm run compare: it compares all steps.');
  console.log('Starting, stopping and killing the real server of each step.\n');
  const measured: Measured[] = [];
  for (const step of steps) {
    if (process.stderr.isTTY) process.stderr.write(`\r${step} ...`);
    measured.push(await measure(step));
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(table([columns.map(([title]) => title), ...measured.map(toRow)]));
});

function toRow(measured: Measured): string[] {
  return columns.map(([, cell]) => cell(measured));
}
