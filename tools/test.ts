import { join } from 'node:path';
import { command } from './command.ts';
import { runInTerminal } from './processes.ts';
import { findStep, root } from './steps.ts';

// npm test: what the chapters claim. npm test 03: one step's tests, and the login tests of that step. npm run test:all:
// everything. Other words and options are passed to vitest.
await command(async () => {
  const [first = '', ...words] = process.argv.slice(2);
  const isStep = /^\d+(-[\w-]*)?$/.test(first);
  const step = isStep ? findStep(first) : '';
  const args = isStep
    ? ['--project=reader', '--reporter=tree', `steps/${step}/`, 'tests/login.test.ts', ...words]
    : [
        ...(first === '--all'
          ? ['--project=reader', '--project=rest']
          : ['--project=reader', first]),
        ...words,
      ];
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const env = isStep ? { STEP: step } : {};
  process.exitCode = await runInTerminal([vitest, 'run', ...args.filter(Boolean)], { env });
});
