import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer, type Server, type ServerOptions } from 'node:http';
import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import express, { type Express } from 'express';
import { DatabaseError } from '#database/open.ts';
import { breakButtons } from './break-database.ts';
import { answerErrors } from './errors.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';
import { readStep } from './step.ts';

/** What a step starts: its app, and how to close what the app uses once no request needs it any more. */
export interface Started {
  app: Express;
  close(): Promise<void>;
  /** The limits of the HTTP server; by default, Node's. */
  limits?: ServerOptions;
}

/** How long requests in flight may take after the signal to stop, in milliseconds. */
const STOP_TIMEOUT = 5000;

/**
 * Runs a step as a server: reads the environment, starts the step, listens, prints one line, and closes
 * everything in order on SIGINT or SIGTERM. If it cannot start, it prints one line on stderr and exits with 1.
 *
 * @param folder the step's folder; its name is the name of the step.
 * @param start opens the database and builds the app.
 */
export async function serve(
  folder: string,
  start: (settings: Settings) => Promise<Started>,
): Promise<void> {
  const step = basename(folder);
  const { title, store } = readStep(folder);
  await explainFailure(async () => {
    const settings = readSettings(step, process.env, store);
    const { app, close, limits } = await start(settings);
    Object.assign(app.locals, { step, title, startedAt: new Date().toISOString() }); // for /inspect
    const server = await listen(
      settings.production ? app : withBreakButtons(app, settings),
      settings,
      limits,
    );
    closeOnSignal(async () => {
      await closeServer(server);
      await close();
    });
    if (cluster.isWorker) return; // the process that started this one prints one line for all workers
    console.log(`${step} · ${title} · ${urlOf(server)} · process ${process.pid}`);
  });
}

/** Starts something. An error that the user can fix is printed as one line on stderr, and the exit code is 1. */
export async function explainFailure(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (!(error instanceof DatabaseError || error instanceof SettingsError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** The buttons come before the app, because the app's session middleware fails without the sessions table. */
function withBreakButtons(app: Express, { databaseUrl }: Settings): Express {
  return express().disable('x-powered-by').use(breakButtons(databaseUrl), app, answerErrors);
}

/**
 * Serves an app.
 *
 * @param where.port 0 is any free port.
 * @throws {SettingsError} when the port is in use, or the host is not an address of this machine.
 */
export async function listen(
  app: Express,
  { port, host }: Pick<Settings, 'port' | 'host'>,
  limits: ServerOptions = {},
): Promise<Server> {
  const server = createServer(limits, app).listen(port, host);
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new SettingsError(
      code === 'EADDRINUSE'
        ? `Port ${port} is in use. Stop the server that uses it, or choose another port: PORT=${port + 1}.`
        : `Cannot listen on port ${port} of ${host} (${code}). Check PORT and HOST.`,
    );
  }
}

/**
 * The first signal closes everything in order. A second one ends the process at once. The parent process can send the
 * message `stop` instead of the first signal.
 *
 * @returns a function that does what the first signal does.
 */
export function closeOnSignal(close: () => Promise<void>): () => Promise<void> {
  let isClosing = false;
  const stop = async () => {
    if (isClosing) return;
    isClosing = true;
    await close();
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => (isClosing ? process.exit(1) : stop()));
  }
  process.on('message', (message) => {
    if (message === 'stop') void stop();
  });
  return stop;
}

/**
 * Stops accepting requests, and resolves when those in flight are answered, after 5 seconds at most.
 * Connections that a browser keeps open are closed as soon as they have nothing in flight.
 */
export async function closeServer(server: Server): Promise<void> {
  await acceptWaiting(server);
  const closed = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const deadline = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
}

/**
 * Accepts the connections that are queued because this process was busy: closing now would reset them.
 * Each turn of the event loop accepts one. Stops after a second.
 */
async function acceptWaiting(server: Server): Promise<void> {
  const deadline = performance.now() + 1000;
  let accepted = true;
  server.on('connection', () => {
    accepted = true;
  });
  while (accepted && performance.now() < deadline) {
    accepted = false;
    await nextTurn();
    await nextTurn(); // the first may be the rest of the current turn
  }
}

/** @returns the URL of a listening server. */
export function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The server is not listening.');
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}
