import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { forTests } from '../postgres-clock.ts';
import { run, Shell } from '../processes.ts';
import { root } from '../steps.ts';
import { makeTemporaryFolder } from '../temporary.ts';
import { packages } from './adapters.ts';
import { startNeeded } from './servers.ts';

const LIMIT = 30_000; // for one promise, in milliseconds

/** What a store does about one promise, and the error that shows it. */
export interface Outcome {
  section: string;
  promise: string;
  verdict: string;
  reason?: string;
}

/** A relative path begins where the command was typed, which npm keeps in INIT_CWD. */
export const fileOf = (name: string) => resolve(process.env.INIT_CWD ?? '.', name);

/** Holds a store to the contract, in a folder of its own. @returns its name with its version, and the outcomes. */
export async function tryStore(name: string): Promise<[string, Outcome[]]> {
  const { path: folder, remove } = await makeTemporaryFolder();
  const needs = packages[name];
  try {
    const title = needs ? `${name} ${await install(name, needs, folder)}` : name;
    const { url, stop } = await startNeeded(needs ?? [], folder, forTests);
    const store = { name, file: fileOf(name), folder, url };
    return [title, await tryPromises(store).finally(stop)];
  } finally {
    await remove();
  }
}

/** @returns the version that npm chose. */
export async function install(name: string, needs: string[], folder: string): Promise<string> {
  const allowScripts = { sqlite3: true, 'better-sqlite3': true, leveldown: true };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ allowScripts }));
  const session = `express-session@${versionOf(root, 'express-session')}`;
  const { code, stderr } = await run('npm', ['install', name, session, ...needs], { cwd: folder });
  if (code === 0) return versionOf(folder, name);
  const [reason = stderr] = /^npm error (?!code).+/m.exec(stderr) ?? [];
  throw new Error(`npm does not install it: ${reason}.`);
}

function versionOf(folder: string, name: string): string {
  const file = join(folder, 'node_modules', name, 'package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

/** Runs the contract in another process. If the store ends that process, another one continues with the next promise. */
async function tryPromises(store: Record<string, string>): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const results = join(store.folder ?? '', 'results');
  for (;;) {
    writeFileSync(results, '');
    const given = { ...store, results, done: [...outcomes.keys()] };
    const env = { CONTRACT: JSON.stringify(given), TMPDIR: store.folder };
    const child = new Shell('npx vitest run --project one-store', { env });
    let size = 0;
    do size = statSync(results).size;
    while (!(await child.printed(() => child.hasEnded, LIMIT)) && statSync(results).size > size);
    const verdict = child.hasEnded ? 'dies' : 'hangs';
    await child.endAll('SIGKILL');

    const lines = readFileSync(results, 'utf8').split('\n').filter(Boolean);
    if (lines.length === 0) throw new Error(child.stdout); // not even one promise more
    for (const line of lines) {
      const outcome: Outcome = JSON.parse(line);
      if (outcome.section === 'end') return [...outcomes.values()];
      if (!outcome.section) throw new Error(outcome.verdict); // it made no store
      outcomes.set(outcome.promise, { ...outcome, verdict: outcome.verdict ?? verdict });
    }
  }
}
