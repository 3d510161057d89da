// @ts-check
/// <reference lib="dom" />
import { misplaced, showPayload } from './payload.js';
import { ask, look, remembered } from './server.js';

/**
 * @typedef {import('./server.js').Memory} Memory
 * @typedef {'calm' | 'down' | 'kept' | 'lost'} Mood
 */

/** How often, in milliseconds, the page looks whether the server is there, and still the same. */
const PULSE = 500;
/** How many lines of the log stay. */
const LINES = 20;

const demo = { username: 'demo', password: 'demo-password' };
// Each step below a path of its own keeps its own note of when the cookie ends.
const noteName = `cookie of ${location.pathname}`;

/** Who the server knew this browser as when it was last asked. @type {string | undefined} */
let username;
/** The process that answered last. @type {number | undefined} */
let processId;
/** Where that process kept the sessions. @type {Memory['store'] | undefined} */
let store;
let isDown = false;
/** Whether the server is there, and its database is not. */
let isFailing = false;

const form = element('login', HTMLFormElement);
const logoutButton = element('logout', HTMLButtonElement);
const askButton = element('ask', HTMLButtonElement);

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const button = event.submitter;
  void submit(button instanceof HTMLButtonElement && button.value === 'register');
});
logoutButton.addEventListener('click', () => void logOut());
askButton.addEventListener('click', () => void showResource());
element('break').addEventListener('click', () => void ask('POST', 'database/break', {}));
element('mend').addEventListener('click', () => void mend());

fill(demo);
await begin();
void watch();

async function begin() {
  const seen = await look();
  if (seen === 'down') return wentAway();
  if (seen === 'failing') return void databaseFails();
  showServer(seen);
  if (!(await whoAmI())) return;
  await Promise.all([showMemory(), showResource()]);
  if (username) tell('calm', `You are logged in as ${username}.`, 'Now restart the server.');
  else tell('calm', 'You are not logged in.', 'Log in, then restart the server.');
}

/** Looks for as long as the page is open. */
async function watch() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PULSE));
    const seen = await look();
    if (seen === 'down') {
      if (!isDown) wentAway();
    } else if (seen === 'failing') {
      if (!isFailing) await databaseFails();
    } else if (isFailing) {
      await databaseIsBack(seen);
    } else if (isDown || (seen !== 'silent' && seen.processId !== processId)) {
      await cameBack(seen);
    } else if (seen !== 'silent') {
      store = seen.store;
    }
  }
}

async function mend() {
  const { status } = await ask('POST', 'database/mend', {});
  if (status === 204) isFailing = true; // until the next look, which finds it well again and says so
}

/** Asks as any visitor would, which a server that cannot bear it does not survive. */
async function databaseFails() {
  isDown = false;
  isFailing = true;
  element('store').dataset.state = 'down';
  const { status } = await ask('GET', 'api/me');
  if (status < 500) {
    tell('down', 'The database fails.', 'Log in, and see what the server does.');
    return;
  }
  setText('who', 'it cannot tell').dataset.known = 'no';
  const advice = status === 503 ? 'Mend the database, and try again.' : '';
  tell('down', 'The database fails.', `The server answers ${status}. ${advice}`);
}

/** @param {Memory | 'silent'} seen */
async function databaseIsBack(seen) {
  const before = username;
  isFailing = false;
  showServer(seen);
  if (!(await whoAmI())) return;
  await Promise.all([showMemory(), showResource()]);
  const outcome = username ? `You are logged in as ${username}.` : 'You are not logged in.';
  const isKept = Boolean(before) && username === before;
  const detail = 'The server was not restarted.';
  tell(isKept ? 'kept' : 'calm', `The database is back. ${outcome}`, detail);
}

function wentAway() {
  isDown = true;
  element('server').dataset.state = 'down';
  // What lies in a database is still there; what lay in the memory of the process is not.
  element('store').dataset.state = store && !store.table ? 'down' : 'up';
  setText('who', 'nobody answers').dataset.known = 'no';
  setText('process', processId ? `${processId}, gone` : 'gone').dataset.state = 'down';
  const hope = username ? ', and see whether it still knows you' : '';
  const advice = isFailing
    ? 'It died with its database. Start it again, then mend the database.'
    : `Start it again${hope}.`;
  isFailing = false;
  tell('down', 'The server went away.', advice);
}

/** @param {Memory | 'silent'} seen */
async function cameBack(seen) {
  const before = { username, processId, store };
  if (!isDown) log('down', 'The server went away.');
  isDown = false;
  showServer(seen);
  const change =
    before.processId && processId ? ` (process ${before.processId} → ${processId})` : '';
  const back = `The server is back${change}.`;
  log('calm', back);
  if (!(await whoAmI())) return;
  await Promise.all([showMemory(), showResource()]);
  if (!before.username) {
    announce('calm', back, 'You were not logged in. Log in, and restart it again.');
  } else if (username === before.username) {
    log('kept', `Still logged in as ${username}.`);
    announce('kept', `You are still logged in as ${username}.`, back);
  } else {
    log('lost', `Logged out. ${reason(before)}`);
    announce('lost', 'You are logged out.', `${back} ${reason(before)}`);
  }
}

/** @param {{ processId: number | undefined, store: Memory['store'] | undefined }} before */
function reason(before) {
  if (!before.store) return 'The server no longer knows your session.';
  return before.store.table
    ? 'The server no longer knows your session. Was its database deleted, or its secret changed?'
    : `Your session was in the memory of process ${before.processId}, and ended with it.`;
}

/**
 * Asks who the server thinks you are.
 *
 * @returns {Promise<boolean>} false when it could not tell.
 */
async function whoAmI() {
  const { status, body } = await ask('GET', 'api/me');
  if (status !== 200 && status !== 401) {
    tell('down', 'The server cannot tell who you are.', body.error ?? '');
    return false;
  }
  username = status === 200 ? body.username : undefined;
  setText('who', username ?? 'nobody it knows').dataset.known = username ? 'yes' : 'no';
  // What had the focus may vanish now. Whoever uses the keyboard goes on at what takes its place.
  const hadFocus = form.contains(document.activeElement) || document.activeElement === logoutButton;
  form.hidden = username !== undefined;
  logoutButton.hidden = username === undefined;
  if (hadFocus) (username ? logoutButton : form.querySelector('button'))?.focus();
  return true;
}

/** @param {boolean} register whether to make an account first. */
async function submit(register) {
  setText('refusal', '');
  const credentials = Object.fromEntries(new FormData(form));
  const attempts = register ? ['api/register', 'api/login'] : ['api/login'];
  for (const path of attempts) {
    const { status, body } = await ask('POST', path, credentials);
    if (status >= 300 || status === 0) {
      setText('refusal', body.error ?? 'That did not work.');
      return;
    }
  }
  await whoAmI();
  const memory = await showMemory({ loggedInAt: Date.now() });
  await showResource();
  const done = register ? 'Registered and logged in' : 'Logged in';
  const { table } = memory?.store ?? {};
  const place = table ? `the table ${table}` : `the memory of process ${processId}`;
  const stored = memory ? `Your session is in ${place}.` : '';
  log('calm', `${done} as ${username}. ${stored}`);
  announce('calm', `${done} as ${username}.`, `${stored} Now restart the server.`);
}

async function logOut() {
  setText('refusal', '');
  const { status, body } = await ask('POST', 'api/logout');
  if (status !== 204) {
    setText('refusal', body.error ?? 'That did not work.');
    return;
  }
  localStorage.removeItem(noteName);
  fill(demo);
  await whoAmI();
  await Promise.all([showMemory(), showResource()]);
  const gone = 'The session is gone from the store, and the cookie from your browser.';
  tell('calm', 'You logged out.', gone);
}

async function showResource() {
  const { status, body } = await ask('GET', 'api/users');
  if (status === 200) setText('resource', `It answered: ${body.users.join(', ')}.`);
  else if (status === 401) setText('resource', 'It answered 401: “Log in first.”');
  else setText('resource', body.error ?? `It answered ${status}.`);
}

/** @param {Memory | 'silent'} seen */
function showServer(seen) {
  element('server').dataset.state = element('store').dataset.state = 'up';
  const isSilent = seen === 'silent';
  setText('process', isSilent ? 'not told in production' : String(seen.processId)).dataset.state =
    'up';
  setText('since', isSilent ? 'not told in production' : clock(seen.startedAt));
  processId = isSilent ? undefined : seen.processId;
  store = isSilent ? undefined : seen.store;
  if (isSilent) return;
  const chapter = Number.parseInt(seen.step, 10);
  setText(
    'chapter',
    `Step ${seen.step.slice(0, 2)}. Chapter ${chapter} of TUTORIAL.md explains it.`,
  );
  setText('title', seen.title);
  document.title = `${chapter}. ${seen.title}`;
}

/**
 * Asks what the server remembers about this browser, and shows it: the cookie and the session.
 *
 * @param {{ loggedInAt?: number }} [login]
 */
async function showMemory({ loggedInAt } = {}) {
  const memory = await remembered();
  const session = memory?.session;
  if (loggedInAt && session?.cookie?.originalMaxAge) {
    localStorage.setItem(noteName, String(loggedInAt + session.cookie.originalMaxAge));
  }
  showCookie(memory);
  showStore(memory);
  return memory;
}

/** @param {Memory | undefined} memory */
function showCookie(memory) {
  showWhetherScriptsReadIt(memory ? memory.cookie !== null : username !== undefined);
  const cookie = memory?.cookie;
  if (!memory) setText('cookie', 'Only the server sees it, and in production it does not tell.');
  else if (!cookie) setText('cookie', 'None. You get one when you log in.');
  else {
    const code = document.createElement('code');
    code.textContent = `${cookie.name} = ${cookie.value}`;
    const forgotten = memory.session
      ? ''
      : ' Your browser still sends it. The server no longer knows it.';
    element('cookie').replaceChildren(code, forgotten);
  }
  const end = Number(localStorage.getItem(noteName));
  if (memory && !cookie) setText('cookie-expires', '–');
  else
    setText(
      'cookie-expires',
      end ? clock(end) : 'a while after your login: the server set it then.',
    );
}

/** Tries to read the cookie, as a script that somebody smuggled in would. @param {boolean} hasCookie */
function showWhetherScriptsReadIt(hasCookie) {
  const isReadable = /(^|;\s*)([\w-]*\b)?sid=/.test(document.cookie);
  if (isReadable) setText('cookie-script', 'Yes. Any script on this page could steal it.');
  else if (!hasCookie) setText('cookie-script', 'Log in, and this page will try.');
  else setText('cookie-script', 'No. This page just tried, and document.cookie does not have it.');
}

/** @param {Memory | undefined} memory */
function showStore(memory) {
  const session = memory?.session;
  element('payload-heading').hidden = element('payload').hidden = !session;
  element('store-empty').hidden = Boolean(session);
  element('verdict').hidden = !session;
  if (!memory) {
    setText('store-role', 'remembers the sessions.');
    element('store-facts').replaceChildren();
    setText(
      'store-empty',
      'With NODE_ENV=production this server does not show what it stores. Logging in works as ever. To look inside, start it without NODE_ENV.',
    );
    return;
  }
  const { table, name, sessions } = memory.store;
  setText(
    'store-role',
    table
      ? `keeps the sessions in the database, as rows of the table ${table}.`
      : `keeps the sessions in the memory of process ${memory.processId}.`,
  );
  element('faults').hidden = !table;
  setFacts('store-facts', [
    ['Store', name],
    ['Sessions in it', String(sessions)],
    ...(memory.row
      ? /** @type {[string, string][]} */ ([
          ['Column sid', memory.row.sid],
          ['Column expired', memory.row.expired],
        ])
      : []),
  ]);
  setText('payload-heading', memory.row ? 'Column sess' : 'The session, as it is stored');
  setText(
    'store-empty',
    memory.cookie
      ? 'There is nothing under the id that your cookie names.'
      : 'There is nothing about you. Log in, and look here.',
  );
  if (!session) return;
  showPayload(element('payload'), session, memory.userData);
  const wrong = misplaced(memory.userData).map(({ what }) => what);
  setText(
    'verdict',
    wrong.length > 0
      ? `It holds the ${wrong.join(' and the ')}. Nobody needs them here.`
      : 'It holds the id of the user, and no secrets.',
  ).dataset.mood = wrong.length > 0 ? 'lost' : 'kept';
}

/** Tells what happened, both above and in the log. @param {Mood} mood @param {string} headline @param {string} detail */
function tell(mood, headline, detail) {
  log(mood, `${headline} ${detail}`);
  announce(mood, headline, detail);
}

/**
 * Shows above what is the case now; screen readers speak it.
 *
 * @param {Mood} mood
 * @param {string} headline
 * @param {string} detail
 */
function announce(mood, headline, detail) {
  element('news').dataset.mood = mood;
  setText('headline', headline);
  setText('detail', detail);
}

/** Adds a line to what happened, the newest first. @param {Mood} mood @param {string} text */
function log(mood, text) {
  const item = document.createElement('li');
  item.dataset.mood = mood;
  const time = document.createElement('time');
  time.textContent = clock(Date.now());
  const words = document.createElement('span');
  words.textContent = text;
  item.append(time, words);
  element('log').prepend(item);
  element('log').children[LINES]?.remove();
}

/** @param {typeof demo} credentials */
function fill(credentials) {
  for (const [name, value] of Object.entries(credentials)) {
    const input = form.elements.namedItem(name);
    if (input instanceof HTMLInputElement) input.value = value;
  }
}

/** @param {string} id @param {[name: string, value: string][]} facts */
function setFacts(id, facts) {
  element(id).replaceChildren(
    ...facts.map(([name, value]) => {
      const fact = document.createElement('div');
      const term = document.createElement('dt');
      term.textContent = name;
      const description = document.createElement('dd');
      description.textContent = value;
      fact.append(term, description);
      return fact;
    }),
  );
}

/** A moment in words: the time, and the day unless it is today. @param {string | number} moment */
function clock(moment) {
  const date = new Date(moment);
  const time = date.toLocaleTimeString('en-GB');
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time : `${date.toLocaleDateString('en-GB', { dateStyle: 'medium' })}, ${time}`;
}

/** @param {string} id @param {string} text */
function setText(id, text) {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
  return target;
}

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {{ new (): T }} [type]
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof (type ?? HTMLElement))) throw new Error(`The page has no ${id}.`);
  return /** @type {T} */ (found);
}
