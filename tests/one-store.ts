import { appendFileSync, mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeEach } from 'vitest';
import { adapters } from '#tools/contract/adapters.ts';
import { describeStore, type Subject } from './store-contract.ts';

// What npm run contract NAME runs: holds one store to the contract, in a process that the store may end.

const given = process.env.CONTRACT;
if (!given) throw new Error('Type npm run contract, and the name of a store or a file.');
const { name, file, folder, url, done, results } = JSON.parse(given);

const verdicts: Record<string, string> = { pass: 'yes', fail: 'no' };
const note = (outcome: object) => appendFileSync(results, `${JSON.stringify(outcome)}\n`);
const exit = () => process.kill(process.pid, 'SIGKILL');
Object.assign(process, { exit }); // in a test, vitest would make an error of it

beforeEach(({ task, skip, onTestFinished }) => {
  skip(done.includes(task.name), 'done by an earlier process');
  const outcome = { section: task.suite?.name, promise: task.name };
  note(outcome); // if nothing follows, this promise has ended the process
  onTestFinished(() => {
    const { state = '', errors } = task.result ?? {};
    note({ ...outcome, verdict: verdicts[state] ?? '-', reason: errors?.[0]?.message });
  });
});

afterAll(() => note({ section: 'end' })); // without it, the process has ended between two promises

const load = createRequire(join(folder, 'package.json'));
const adapter = Object.hasOwn(adapters, name) ? adapters[name] : undefined;

/** Makes the store of an adapter, or of the file. */
async function make(): Promise<Subject> {
  if (adapter) {
    const empty = mkdtempSync(join(folder, 'store-'));
    return Object(await adapter({ load, session: load('express-session'), folder: empty, url }));
  }
  const { createStore } = await import(file);
  if (!createStore) throw new Error('The file exports no function createStore.');
  return createStore();
}

describeStore(name, async () => {
  const late = pause(10_000).then(() => {
    throw new Error('It took more than ten seconds.');
  });
  try {
    const subject = await Promise.race([make(), late]);
    if (typeof subject?.store?.createSession === 'function') return subject;
    throw new Error("createStore returned no { store } that extends express-session's Store.");
  } catch (error) {
    note({ verdict: `No store could be made. ${error}` });
    exit();
    throw error;
  }
});
