import { type IncomingMessage, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { developmentSecret } from '#steps/shared/settings.ts';
import { findUserData } from '#steps/shared/user-data.ts';
import { ada, Browser, replay, signedCookie } from './browser.ts';
import { connectTo, isPostgresUrl, makeDatabase, type TemporaryDatabase } from './databases.ts';
import { movingClock, ServerProcess } from './server-process.ts';

const HOUR = 60 * 60 * 1000; // in milliseconds
const CLEANUP_TIMEOUT = 30_000; // in milliseconds

/** The real server of a step, its database, and a browser that is logged in there. */
export interface Visit {
  step: string;
  server: ServerProcess;
  browser: Browser;
  database: TemporaryDatabase;
}

/** What is measured on a server that keeps running, by column: see `outcomes.ts`. */
export const visits: Record<string, (visit: Visit) => Promise<string>> = {
  logout: logoutDuringRequest,
  reads: writesPer100Reads,
  day: expireSessions,
  theft: steal,
  laptop: endOtherSession,
  elsewhere: requestFromElsewhere,
  second: askSecondMachine,
};

/** What is measured, by column. The last one may end the server. */
const measurements: Record<string, (visit: Visit) => Promise<string>> = {
  userData: storedUserData,
  restart: (visit) => loginAfter('SIGTERM', visit),
  crash: (visit) => loginAfter('SIGKILL', visit),
  ...visits,
  failure: failingDatabase,
};

/**
 * Measures what a step does, on its real server, in processes of their own, with a temporary database.
 *
 * @returns the keys of the outcomes by column, as in the step's `step.json`.
 */
export async function measure(step: string): Promise<Record<string, string>> {
  const database = await makeDatabase(step);
  const server = await start(step, database);
  const visit: Visit = { step, server, browser: new Browser(server.url), database };
  try {
    await visit.browser.register(ada);
    const outcomes: Record<string, string> = {};
    for (const [column, outcome] of Object.entries(measurements)) {
      await visit.browser.logIn(ada);
      if (!(await isLoggedIn(visit)))
        throw new Error(`The login did not work: ${step}, ${column}.`);
      outcomes[column] = await outcome(visit);
    }
    return outcomes;
  } finally {
    await visit.server.end('SIGKILL');
    await database.remove();
  }
}

function start(step: string, { url }: TemporaryDatabase): Promise<ServerProcess> {
  return ServerProcess.start(step, { DATABASE_URL: url }, { preload: [movingClock] });
}

async function storedUserData({ browser }: Visit): Promise<string> {
  const { session } = (await browser.get('/inspect')).body;
  return findUserData(session)
    .map(({ what }) => what.replace('user ', '').replace('password ', ''))
    .join('-');
}

async function loginAfter(signal: 'SIGTERM' | 'SIGKILL', visit: Visit): Promise<string> {
  await visit.server.end(signal);
  visit.server = await start(visit.step, visit.database);
  visit.browser.moveTo(visit.server.url);
  return (await isLoggedIn(visit)) ? 'kept' : 'lost';
}

/** Logs out while an upload is running that changes the session at its end. */
async function logoutDuringRequest({ server, browser }: Visit): Promise<string> {
  const { cookie = '' } = browser;
  const upload = await beginUpload(server.url, cookie);
  await browser.logOut();
  await upload.finish();
  return (await replay(server.url, cookie)).status === 200 ? 'undone' : 'final';
}

/**
 * Starts an upload, and waits until the server has loaded its session.
 *
 * @returns `finish`, which sends the rest and resolves with the response.
 */
export async function beginUpload(url: string, cookie: string) {
  const headers = { cookie, expect: '100-continue', 'content-length': 6 };
  const upload = request(`${url}/upload`, { method: 'POST', headers });
  await new Promise((resolve, reject) => upload.on('continue', resolve).on('error', reject));
  upload.write('bit');
  return {
    finish: () =>
      new Promise<IncomingMessage>((resolve, reject) => {
        upload.on('response', (response) => response.resume().on('end', () => resolve(response)));
        upload.on('error', reject).end('bit');
      }),
  };
}

/** Counts the commits that another connection to the database sees. */
async function writesPer100Reads({ server, browser, database }: Visit): Promise<string> {
  const headers = { cookie: browser.cookie ?? '' };
  const knex = await connectTo(database.url);
  const version = async () => {
    if (!isPostgresUrl(database.url))
      return (await knex.raw('PRAGMA data_version'))[0].data_version;
    // Each row says which transaction has written it. The attempts table is left out: a login takes its own attempt back
    // when the response is sent.
    const written = ['sessions', 'users'].map(
      (table) => `(select coalesce(sum(xmin::text::bigint), 0) from ${table})`,
    );
    const { rows } = await knex.raw(`select ${written.join(' + ')} as version`);
    return rows[0].version;
  };
  const read = async () => (await fetch(`${server.url}/api/me`, { headers })).text();
  try {
    // Step 8 takes the attempt of a login back after the response: a write that no read caused. It is over after this read.
    await read();
    let before = await version();
    let writes = 0;
    for (let reads = 0; reads < 100; reads++) {
      await read();
      const after = await version();
      if (after !== before) writes += 1;
      before = after;
    }
    return String(writes);
  } finally {
    await knex.destroy();
  }
}

/** Lets a day and two hours pass without a request, so all sessions expire. The server must have a `movingClock`. */
async function expireSessions({ server, database }: Visit): Promise<string> {
  // Without a cookie, so no session's expiry moves.
  const countSessions = async (): Promise<number> =>
    (await new Browser(server.url).get('/inspect')).body.store.sessions;
  // Hour by hour, as timers would see it. Counting waits for the clean-up of that hour if there is only one
  // connection to the database.
  for (let hour = 0; hour < 26; hour++) {
    await database.passTime(HOUR);
    await server.advance(HOUR);
    await countSessions();
  }
  const deadline = Date.now() + (isPostgresUrl(database.url) ? CLEANUP_TIMEOUT : 0);
  while ((await countSessions()) > 0) {
    if (Date.now() >= deadline) return 'left';
  }
  return 'deleted';
}

/** Tries to log in as a thief who has the sessions table and knows the secret. */
async function steal({ server, database }: Visit): Promise<string> {
  const knex = await connectTo(database.url);
  const ids = (await knex.schema.hasTable('sessions')) ? await knex('sessions').pluck('sid') : [];
  await knex.destroy();
  const statuses = ids.map((id) => replay(server.url, signedCookie(id, developmentSecret)));
  const opened = (await Promise.all(statuses)).filter(({ status }) => status === 200);
  if (ids.length === 0) return 'none';
  return opened.length > 0 ? 'opens' : 'worthless';
}

/** Logs in in two places, and ends the session of the other one. */
async function endOtherSession({ server }: Visit): Promise<string> {
  const [owner, thief] = [new Browser(server.url), new Browser(server.url)];
  for (const browser of [thief, owner]) await browser.logIn();
  await owner.delete('/api/sessions');
  const outcome = (await thief.whoAmI()) ? 'in' : 'out';
  for (const browser of [thief, owner]) await browser.logOut();
  return outcome;
}

/** Tries to log the user out with a request that a page on a sister domain can make the browser send. */
async function requestFromElsewhere({ server, browser }: Visit): Promise<string> {
  const { cookie = '' } = browser;
  const headers = { cookie, origin: 'http://sister.example', 'sec-fetch-site': 'same-site' };
  await fetch(`${server.url}/api/logout`, { method: 'POST', headers });
  return (await replay(server.url, cookie)).status === 200 ? 'refused' : 'obeyed';
}

/** Asks another server, on a machine with a disk of its own: it has the same secret, but not the same files. */
async function askSecondMachine({ step, browser, database }: Visit): Promise<string> {
  const own = isPostgresUrl(database.url) ? undefined : await makeDatabase(step);
  const second = await ServerProcess.start(step, { DATABASE_URL: own?.url ?? database.url });
  const { status } = await replay(second.url, browser.cookie ?? '');
  await second.end('SIGKILL');
  await own?.remove();
  return status === 200 ? 'known' : 'unknown';
}

/** Renames the sessions table under the server, and renames it back. */
async function failingDatabase({ server, browser }: Visit): Promise<string> {
  const status = async () => (await browser.get('/api/me').catch(() => ({ status: 0 }))).status;
  await browser.post('/database/break');
  const first = await status();
  if (first === 200) return 'none';
  if (first !== 503) {
    const died = await Promise.race([server.ended, pause(3000)]);
    return died ? 'dies' : String(first);
  }
  await browser.post('/database/restore');
  return (await status()) === 200 ? 'survives' : '503';
}

async function isLoggedIn({ browser }: Visit): Promise<boolean> {
  return (await browser.whoAmI()) === ada.username;
}
