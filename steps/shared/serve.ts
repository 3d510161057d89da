import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { basename } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Express } from 'express';
import { DatabaseError } from '#database/open.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';
import { titles } from './steps.ts';

/** What a step starts: its app, and how to close what the app uses once no request needs it any more. */
export interface Started {
  app: Express;
  close(): Promise<void>;
}

/** How long, in milliseconds, requests in flight may take to end once the server was told to stop. */
const PATIENCE = 5000;

/**
 * Runs a step as a server: reads the environment, starts the step, listens, prints one line, and closes
 * everything in order on SIGINT or SIGTERM. What cannot work is one line on stderr and exit code 1.
 *
 * @param folder the step's folder; its name is the name of the step.
 * @param start opens the database and builds the app.
 */
export async function serve(
  folder: string,
  start: (settings: Settings) => Promise<Started>,
): Promise<void> {
  const step = basename(folder);
  try {
    const settings = readSettings(step, process.env);
    const { app, close } = await start(settings);
    const title = titles[step] ?? step;
    Object.assign(app.locals, { step, title, startedAt: new Date().toISOString() });
    if (!settings.production) app.locals.databaseUrl = settings.databaseUrl; // for `fault`
    const server = await listen(app, settings);
    closeOnSignal(server, close);
    console.log(`${step} · ${title} · ${address(server)} · process ${process.pid}`);
  } catch (error) {
    if (!(error instanceof DatabaseError || error instanceof SettingsError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/**
 * Serves an app.
 *
 * @param where.port 0 is any free port.
 * @throws {SettingsError} when the port is in use, or the host is not of this machine.
 */
export async function listen(
  app: Express,
  { port, host }: Pick<Settings, 'port' | 'host'>,
): Promise<Server> {
  const server = createServer(app).listen(port, host);
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new SettingsError(
      code === 'EADDRINUSE'
        ? `Port ${port} is in use. Stop the server that has it, or choose another: PORT=${port + 1}.`
        : `Cannot listen on port ${port} of ${host} (${code}). Check PORT and HOST.`,
    );
  }
}

/** The first signal closes in order; a second one, from somebody in a hurry, ends the process at once. */
function closeOnSignal(server: Server, close: () => Promise<void>): void {
  const stop = async () => {
    process.once('SIGINT', () => process.exit(1)).once('SIGTERM', () => process.exit(1));
    await closeServer(server);
    await close();
    process.exit(0);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
}

/**
 * Stops accepting requests, and resolves when those in flight are answered, after 5 seconds at most.
 * Connections that a browser keeps open are closed as soon as they have nothing in flight.
 */
export async function closeServer(server: Server): Promise<void> {
  await letIn(server);
  const closed = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const deadline = setTimeout(() => server.closeAllConnections(), PATIENCE);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
}

/**
 * Lets in who has connected already, and waits outside because this process is busy: to close the door
 * would turn them away. Each turn of the event loop lets in one. After a second it is enough.
 */
async function letIn(server: Server): Promise<void> {
  const deadline = performance.now() + 1000;
  let arrived = true;
  server.on('connection', () => {
    arrived = true;
  });
  while (arrived && performance.now() < deadline) {
    arrived = false;
    await turn();
    await turn(); // the first may be the rest of this one
  }
}

/** @returns the URL of a server that listens. */
export function address(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('The server does not listen.');
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return `http://${host}:${bound.port}`;
}
