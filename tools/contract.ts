import { parseArgs } from 'node:util';
import { startVitest, type TestCase, type TestModule } from 'vitest/node';
import { command, UsageError } from './command.ts';
import { table } from './table.ts';

const usage = 'Type npm run contract, without anything else: it tries all stores.';

// npm run contract: holds every session store to the store contract, and prints which store keeps what.
await command(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals.length > 0) throw new UsageError(usage);

  const vitest = await startVitest('test', ['tests/stores.test.ts', 'steps/'], {
    testNamePattern: '^store contract: ',
    exclude: ['steps/practice*/**'],
    watch: false,
    reporters: [{}], // none: the tables are the report
  });
  const results = readResults(vitest.state.getTestModules());
  await vitest.close();

  print('required: express-session needs it', results.get('required'));
  print(
    'stronger: people rely on it, express-session does not ask for it',
    results.get('stronger'),
  );
  console.log('yes: kept. no: known not to be kept. -: cannot be tried on this store.');
  if (process.exitCode) {
    console.error('A test failed. To see why: npx vitest run tests/stores.test.ts steps');
  }
}, usage);

/** What each store does, by promise and store. */
type Section = Map<string, Map<string, string>>;

/** @returns the sections of the contract, by name. */
function readResults(modules: TestModule[]): Map<string, Section> {
  const sections = new Map<string, Section>();
  const isStep = ({ moduleId }: TestModule) => moduleId.includes('/steps/');
  modules.sort((a, b) => +isStep(a) - +isStep(b) || a.moduleId.localeCompare(b.moduleId));
  for (const test of modules.flatMap((module) => [...module.children.allTests()])) {
    const pattern = /^store contract: (.+) > (required|stronger) > (known departure: )?(.+)$/;
    const [, store, name = '', departure, promise = ''] = pattern.exec(test.fullName) ?? [];
    if (!store) continue;
    const section = sections.get(name) ?? new Map();
    const row = section.get(promise) ?? new Map();
    row.set(store, verdict(test, departure !== undefined));
    sections.set(name, section.set(promise, row));
  }
  return sections;
}

function verdict(test: TestCase, isDeparture: boolean): string {
  const { state } = test.result();
  if (state === 'skipped') return '-';
  if (state !== 'passed') return 'FAILED';
  return isDeparture ? 'no' : 'yes'; // the test of a departure passes while the store departs
}

function print(title: string, section: Section = new Map()): void {
  const stores = [...new Set([...section.values()].flatMap((row) => [...row.keys()]))];
  const rows = [...section].map(([promise, row]) => [
    promise,
    ...stores.map((store) => row.get(store) ?? ''),
  ]);
  console.log(`${table([[title, ...stores], ...rows])}\n`);
}
