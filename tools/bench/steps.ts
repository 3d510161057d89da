import { join } from 'node:path';
import { startPostgres } from '#steps/10-many-servers/postgres.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { readStep } from '#steps/shared/step.ts';
import { Browser } from '../browser.ts';
import { send } from '../rate.ts';
import { ServerProcess } from '../server-process.ts';
import { numberOf, stepFolder } from '../steps.ts';
import { makeTemporaryFolder } from '../temporary.ts';
import type { Ends, Entrant } from './entrant.ts';

/** Starts the real server of a step, with a database as it has by default, and logs in. */
export async function enterStep(step: string, ends: Ends): Promise<Entrant> {
  const { path, remove } = await makeTemporaryFolder();
  ends.push(remove);
  const { store: storage } = readStep(stepFolder(step));
  let url = `file:${join(path, 'bench.sqlite3')}`;
  if (storage === 'postgresql') {
    const postgres = await startPostgres(path);
    ends.push(postgres.stop);
    url = postgres.url;
  }
  const server = await ServerProcess.start(step, { DATABASE_URL: url });
  ends.push(() => server.end('SIGTERM'));
  const browser = new Browser(server.url);
  const { status } = await browser.logIn(demo);
  if (status !== 200) throw new Error(`The login got a ${status}.`);
  const headers = { cookie: browser.cookie };
  const run = () => send(`${server.url}/api/me`, { headers });
  const works = [{ title: 'checks', run, rates: [] }];
  return { name: `step ${numberOf(step)}`, storage, works, costs: {} };
}
