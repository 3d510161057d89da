import { closeSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { withoutPassword } from '#database/open.ts';
import { startPostgres } from '#database/postgres.ts';
import { closeOnSignal, explainFailure } from '#steps/shared/serve.ts';
import { ownPostgresFolder, readSettings } from '#steps/shared/settings.ts';
import { readStep } from '#steps/shared/step.ts';
import { finish, openDatabase } from './database.ts';
import { Pruning } from './pruning.ts';
import { Servers } from './servers.ts';
import { readServers } from './settings.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds
const folder = import.meta.dirname;
const step = basename(folder);

// What is done once for all servers: before they start, the tables are brought up to date; while they run, expired
// sessions are deleted.
await explainFailure(async () => {
  const number = readServers(process.env);
  const { databaseUrl } = readSettings(step, process.env, 'postgresql');
  const own = databaseUrl === '' ? await startPostgres(ownPostgresFolder(step)) : undefined;
  const address = own?.url ?? databaseUrl;
  console.log(`PostgreSQL${own ? ' of its own' : ''}: ${withoutPassword(address)}`);
  const knex = await openDatabase(address);
  const servers = new Servers(number, { ...process.env, DATABASE_URL: address });
  const url = await servers.start();
  const pruning = new Pruning(knex, HOUR);
  const stop = closeOnSignal(async () => {
    await servers.stop();
    await finish(pruning.stop().then(() => knex.destroy()));
    await own?.stop();
  });
  // SIGHUP means a deploy here, but systems also send it when the terminal is closed.
  const hadTerminal = hasTerminal();
  process.on('SIGHUP', () => (hadTerminal && !hasTerminal() ? stop() : servers.replace()));
  const { title } = readStep(folder);
  const processes = `process ${process.pid} with the servers ${servers.processIds}`;
  console.log(`${step} · ${title} · ${url} · ${processes}`);
});

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
