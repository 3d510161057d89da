import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { isPostgres } from '#database/clock.ts';
import { connect, isPostgresUrl } from '#database/open.ts';
import { developmentSecret } from '#steps/shared/settings.ts';
import { findUserData } from '#steps/shared/user-data.ts';
import { ada, Browser, replay, signedCookie } from './browser.ts';
import { makeDatabase, type TemporaryDatabase } from './databases.ts';
import { movingClock, ServerProcess } from './server-process.ts';

/** The real server of a step, its database, and a browser that is logged in there. */
export interface Visit {
  step: string;
  server: ServerProcess;
  browser: Browser;
  database: TemporaryDatabase;
}

interface Trial extends Visit {
  /** Starts the server again, on the same database. */
  startAgain(): Promise<void>;
}

/** What is measured, by column title. The last one may end the server. */
const columns: Record<string, (trial: Trial) => Promise<string>> = {
  'user data stored': storedUserData,
  'after a restart': (trial) => loginAfter('SIGTERM', trial),
  'after SIGKILL': (trial) => loginAfter('SIGKILL', trial),
  'logout during a request': logoutDuringRequest,
  'writes per 100 reads': writesPer100Reads,
  'expired sessions': expireSessions,
  'a stolen table': steal,
  'a request from another site': requestFromElsewhere,
  'a second machine': askSecondMachine,
  'failing database': failingDatabase,
};

/**
 * Measures what a step does, on its real server, in processes of their own, with a temporary database.
 *
 * @param preload modules that the server processes load first.
 * @returns the outcomes by column title, as in the step's `step.json`.
 */
export async function measure(
  step: string,
  preload: string[] = [],
): Promise<Record<string, string>> {
  const database = await makeDatabase(step);
  const options = { preload: [...preload, movingClock] };
  // Of the step with several servers, one is enough here.
  const environment = { DATABASE_URL: database.url, SERVERS: '1' };
  const start = () => ServerProcess.start(step, environment, options);
  const server = await start();
  const trial: Trial = {
    step,
    server,
    browser: new Browser(server.url),
    database,
    async startAgain() {
      trial.server = await start();
      trial.browser.moveTo(trial.server.url);
    },
  };
  try {
    await trial.browser.register(ada);
    const outcomes: Record<string, string> = {};
    for (const [title, column] of Object.entries(columns)) {
      await trial.browser.logIn(ada);
      if (!(await isLoggedIn(trial))) throw new Error(`The login did not work: ${step}, ${title}.`);
      outcomes[title] = await column(trial);
    }
    return outcomes;
  } finally {
    await trial.server.end('SIGKILL');
    await database.remove();
  }
}

async function storedUserData({ browser }: Trial): Promise<string> {
  const { session } = (await browser.get('/inspect')).body;
  return findUserData(session)
    .map(({ what }) => what.replace('user ', '').replace('password ', ''))
    .join(', ');
}

async function loginAfter(signal: 'SIGTERM' | 'SIGKILL', trial: Trial): Promise<string> {
  await trial.server.end(signal);
  await trial.startAgain();
  return (await isLoggedIn(trial)) ? 'kept' : 'lost';
}

/** Logs out while an upload is running that changes the session at its end. */
export async function logoutDuringRequest({ server, browser }: Visit): Promise<string> {
  const { cookie = '' } = browser;
  const upload = await beginUpload(server.url, cookie);
  await browser.logOut();
  await upload.finish();
  return (await replay(server.url, cookie)).status === 200 ? 'comes back' : 'stays out';
}

/**
 * Starts an upload, and waits until the server has loaded its session.
 *
 * @returns `finish`, which sends the rest and resolves with the status.
 */
export async function beginUpload(url: string, cookie: string) {
  const headers = { cookie, expect: '100-continue', 'content-length': 6 };
  const upload = request(`${url}/upload`, { method: 'POST', headers });
  await new Promise((resolve, reject) => upload.on('continue', resolve).on('error', reject));
  upload.write('bit');
  return {
    finish: () =>
      new Promise<number | undefined>((resolve, reject) => {
        upload.on('response', (response) =>
          response.resume().on('end', () => resolve(response.statusCode)),
        );
        upload.on('error', reject).end('bit');
      }),
  };
}

/** Counts the commits that another connection to the database sees. */
export async function writesPer100Reads({ server, browser, database }: Visit): Promise<string> {
  const headers = { cookie: browser.cookie ?? '' };
  const knex = await connect(database.url, async () => {});
  const version = async () => {
    if (!isPostgres(knex)) return (await knex.raw('PRAGMA data_version'))[0].data_version;
    // Each row says which transaction has written it. The attempts table is left out: a login takes its own attempt back
    // when the response is sent.
    const written = ['sessions', 'devices', 'users'].map(
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

/** Lets a day pass for a server with a preloaded clock, and for its database. */
export async function expireSessions({ server, database }: Visit): Promise<string> {
  return (await server.passDay(database)) === 0 ? 'deleted' : 'left in the store';
}

/** Tries to log in as a thief who has the sessions table and knows the secret. */
export async function steal({ server, database }: Visit): Promise<string> {
  const knex = await connect(database.url, async () => {});
  const ids = (await knex.schema.hasTable('sessions')) ? await knex('sessions').pluck('sid') : [];
  await knex.destroy();
  const statuses = ids.map((id) => replay(server.url, signedCookie(id, developmentSecret)));
  const opened = (await Promise.all(statuses)).filter(({ status }) => status === 200);
  if (ids.length === 0) return 'no table';
  return opened.length > 0 ? 'opens sessions' : 'worthless';
}

/** Tries to log the user out with a request that a page on a sister domain can make the browser send. */
export async function requestFromElsewhere({ server, browser }: Visit): Promise<string> {
  const { cookie = '' } = browser;
  const headers = { cookie, origin: 'http://sister.example', 'sec-fetch-site': 'same-site' };
  await fetch(`${server.url}/api/logout`, { method: 'POST', headers });
  return (await replay(server.url, cookie)).status === 200 ? 'refused' : 'obeyed';
}

/** Asks another server, on a machine with a disk of its own: it has the same secret, but not the same files. */
export async function askSecondMachine({ step, browser, database }: Visit): Promise<string> {
  const own = isPostgresUrl(database.url) ? undefined : await makeDatabase(step);
  const environment = { DATABASE_URL: own?.url ?? database.url, SERVERS: '1' };
  const second = await ServerProcess.start(step, environment);
  const { status } = await replay(second.url, browser.cookie ?? '');
  await second.end('SIGKILL');
  await own?.remove();
  return status === 200 ? 'known' : 'unknown';
}

/** Renames the sessions table under the server, and renames it back. */
async function failingDatabase({ server, browser }: Trial): Promise<string> {
  const status = async () => (await browser.get('/api/me').catch(() => ({ status: 0 }))).status;
  await browser.post('/database/break');
  const first = await status();
  if (first === 200) return 'not affected';
  if (first !== 503) {
    const died = await Promise.race([server.ended, pause(3000)]);
    return died ? 'the process dies' : String(first);
  }
  await browser.post('/database/restore');
  return (await status()) === 200 ? '503, and back' : '503';
}

async function isLoggedIn({ browser }: Trial): Promise<boolean> {
  return (await browser.whoAmI()) === ada.username;
}
