import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerOptions } from 'node:http';
import { basename, join } from 'node:path';
import express, { type Express } from 'express';
import type { Knex } from 'knex';
import { DatabaseError } from '#database/errors.ts';
import { breakButtons } from './break-database.ts';
import { chapterRoutes } from './chapter.ts';
import { answerErrors } from './errors.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';

/** Limits of an HTTP server, in milliseconds and bytes. */
export type Limits = ServerOptions & Partial<Pick<Server, 'timeout' | 'maxRequestsPerSocket'>>;

/** What a step starts: its app, and how to close what the app uses once no request needs it any more. */
export interface Started {
  app: Express;
  /** For the Break button. */
  knex: Knex;
  close(): Promise<void>;
  /** What to do between the signal to stop and the end of accepting requests. */
  drain?(): Promise<void>;
  /** The limits of the HTTP server; by default, Node's. */
  limits?: Limits;
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
  const { title } = JSON.parse(await readFile(join(folder, 'step.json'), 'utf8'));
  await explainFailure(async () => {
    const settings = readSettings(step, process.env);
    const { app, knex, close, drain, limits } = await start(settings);
    Object.assign(app.locals, { step, title, startedAt: new Date().toISOString() }); // for /inspect
    const server = await listen(
      settings.production ? app : inDevelopment(step, app, knex),
      settings,
      limits,
    );
    closeOnSignal(async () => {
      await drain?.();
      await closeServer(server);
      await close();
    });
    console.log(`${step} · ${title} · ${urlOf(server)} · process ${process.pid}`);
  });
}

/** Starts something. An error that the user can fix is printed as one line on stderr, and the exit code is 1. */
export async function explainFailure(start: () => Promise<void>): Promise<void> {
  // A server outlives whoever reads its log, as in `| head`: printing then fails, and must not end the process.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  try {
    await start();
  } catch (error) {
    if (!(error instanceof DatabaseError || error instanceof SettingsError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** Adds the chapter, and the Break button: both before the app, because its session fails without the sessions table. */
function inDevelopment(step: string, app: Express, knex: Knex): Express {
  const development = express().disable('x-powered-by');
  return development.use(chapterRoutes(step), breakButtons(knex), app, answerErrors);
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
  limits: Limits = {},
): Promise<Server> {
  const server = Object.assign(createServer(limits, app), limits).listen(port, host);
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

/** The first signal closes everything in order. A second one ends the process at once. */
export function closeOnSignal(close: () => Promise<void>, signals = ['SIGINT', 'SIGTERM']): void {
  let isClosing = false;
  for (const signal of signals) {
    process.on(signal, async () => {
      if (isClosing) process.exit(1);
      isClosing = true;
      await close();
      process.exit(0);
    });
  }
}

/**
 * Stops accepting requests, and resolves when those in flight are answered, after 5 seconds at most.
 * Connections that a browser keeps open are closed as soon as they have nothing in flight.
 */
export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const deadline = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
}

/** @returns the URL of a listening server. */
export function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The server is not listening.');
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}
