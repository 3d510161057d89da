import { parseArgs } from 'node:util';
import type { TestCase } from 'vitest/node';
import { startVitest } from 'vitest/node';
import { command, UsageError } from './command.ts';
import { table } from './table.ts';

// npm run contract: runs the store contract on every store, and prints which keeps what.
await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length > 0) throw new UsageError('Type npm run contract: it tries all stores.');
  const stores = ['MemoryStore', 'memorystore', 'connect-session-knex', 'DurableStore'];
  const sentences = new Map<string, Map<string, string>>();

  const onTestCaseResult = (test: TestCase) => {
    const { parent } = test;
    const [, store] = /^(\S+) keeps the contract/.exec('name' in parent ? parent.name : '') ?? [];
    if (!store) return;
    const row = sentences.get(test.name) ?? new Map();
    sentences.set(test.name, row.set(store, verdict(test)));
  };
  const vitest = await startVitest('test', ['tests/stores.test.ts', 'steps/05-durable/'], {
    testNamePattern: 'keeps the contract',
    watch: false,
    reporters: [{ onTestCaseResult }],
  });
  await vitest.close();

  console.log(
    table([
      ['a session store', ...stores],
      ...[...sentences].map(([sentence, row]) => [
        sentence,
        ...stores.map((store) => row.get(store) ?? ''),
      ]),
    ]),
  );
  console.log('\nyes: it does. NO: it is known not to. -: it cannot be tried on this store.');
});

/** A test that is expected to fail has passed when it did. */
function verdict(test: TestCase): string {
  const { state } = test.result();
  if (state === 'skipped') return '-';
  if (state !== 'passed') return 'unexpected!';
  return test.options.fails ? 'NO' : 'yes';
}
