import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findUserData, type UserData } from '#steps/shared/user-data.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { ada, Browser } from './browser.ts';

/** What became of a login. */
export type Fate = 'kept' | 'lost';

/** What a step's real server did. */
export interface Measured {
  step: string;
  /** Stopped in order, with SIGTERM, and started again. */
  restart: Fate;
  /** Killed, with SIGKILL, and started again. */
  crash: Fate;
  /** What the stored session tells about its user. */
  stored: UserData[];
  /** What the store had done with an expired session an hour or two later. */
  expired: 'deleted' | 'left in the store';
}

const columns: [title: string, cell: (measured: Measured) => string][] = [
  ['step', ({ step }) => step],
  ['after a restart', ({ restart }) => restart],
  ['after SIGKILL', ({ crash }) => crash],
  ['what of the user is stored', ({ stored }) => stored.join(', ')],
  ['expired sessions', ({ expired }) => expired],
];

/** What npm run compare says before it begins. */
export const announcement = 'Starting, stopping and killing the real server of each step.';

/** The head of the table that `npm run compare` prints. */
export const titles = columns.map(([title]) => title);

/** A row of that table. */
export function toRow(measured: Measured): string[] {
  return columns.map(([, cell]) => cell(measured));
}

/**
 * Runs a step's real server, in processes of its own on a temporary database: logs in, restarts it,
 * kills it, looks at what it stored, and lets a session expire.
 */
export async function measure(step: string): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'keep-users-logged-in-'));
  const environment = { DATABASE_URL: `file:${join(folder, 'measure.sqlite3')}` };
  let server: ServerProcess | undefined;
  try {
    server = await ServerProcess.start(step, environment);
    const browser = new Browser(server.url);
    await browser.register(ada);
    await logIn(browser);
    const { session } = (await browser.get('/inspect')).body;

    await server.end('SIGTERM');
    server = await ServerProcess.start(step, environment);
    browser.moveTo(server.url);
    const restart = await fate(browser);

    if (restart === 'lost') await logIn(browser);
    await server.end('SIGKILL');
    server = await ServerProcess.start(step, environment, { clock: 'stopped' });
    browser.moveTo(server.url);
    const crash = await fate(browser);

    if (crash === 'lost') await logIn(browser);
    const left = await server.passDay();

    return {
      step,
      restart,
      crash,
      stored: findUserData(session).map(({ what }) => what),
      expired: left === 0 ? 'deleted' : 'left in the store',
    };
  } finally {
    await server?.end('SIGKILL');
    await rm(folder, { recursive: true });
  }
}

async function fate(browser: Browser): Promise<Fate> {
  return (await browser.whoAmI()) === ada.username ? 'kept' : 'lost';
}

async function logIn(browser: Browser): Promise<void> {
  await browser.logIn(ada);
  if ((await fate(browser)) === 'lost') throw new Error('The login did not work.');
}
