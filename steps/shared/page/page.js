// @ts-check
/// <reference lib="dom" />
import { find, make, pause, setText } from './dom.js';
import { showPayload } from './payload.js';
import { probe, send } from './server.js';

/**
 * @typedef {import('./server.js').Inspection} Inspection
 * @typedef {'calm' | 'down' | 'kept' | 'lost'} Mood
 */

/** How often, in milliseconds, the page checks the server. */
const POLL_INTERVAL = 500;
const MAX_LOG_LINES = 20;

// Scripts cannot read when the cookie expires, so the page remembers it. In the lab each step has a path.
const expiryKey = `cookie expiry ${location.pathname}`;

/** What the last probe found; `failing` means that the database fails. @type {'up' | 'failing' | 'down' | undefined} */
let condition;
/** The process that answered last; in production it is unknown. @type {Inspection | undefined} */
let server;
/** Who was logged in when the server was last asked. @type {string | undefined} */
let username;

/** @type {HTMLFormElement} */
const form = find('#login');
const logoutButton = find('#logout');

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void submit(event.submitter?.id === 'register');
});
logoutButton.addEventListener('click', () => void logOut());
find('#request-users').addEventListener('click', () => void showUsers());
find('#end-others').addEventListener('click', () => void endSessions('', 'All other sessions'));
find('#break').addEventListener('click', () => void send('POST', 'database/break', {}));
find('#restore').addEventListener('click', () => void restore());
form.reset(); // some browsers keep what was typed before a reload
void watch();

/** Checks the server for as long as the page is open. */
async function watch() {
  for (;;) {
    const found = await probe();
    const isOther = found.inspection?.firstProcessId !== server?.firstProcessId;
    if (found.condition === 'up') {
      if (condition !== 'up' || isOther) await serverIsUp(found.inspection);
      else showServer(found.inspection); // one of several may have answered
    } else if (found.condition !== condition) {
      await (found.condition === 'down' ? serverWentDown() : databaseFailed());
    }
    await pause(POLL_INTERVAL);
  }
}

async function restore() {
  const { status } = await send('POST', 'database/restore', {});
  if (status === 204) condition = 'failing'; // so that the next probe reports that the database is back
}

/** Sends a request with the cookie, as any visitor would. Some servers die of it. */
async function databaseFailed() {
  condition = 'failing';
  find('#store').dataset.state = 'down';
  const { status } = await send('GET', 'api/me');
  const advice = status === 503 ? ' Restore the database, and try again.' : '';
  let detail = 'Log in, and see what the server does.';
  if (status >= 500) {
    setText('#who', '(database unavailable)').dataset.known = 'no';
    detail = `The server answers ${status}.${advice}`;
  }
  report('down', 'The database is unavailable.', detail);
}

function serverWentDown() {
  find('#server').dataset.state = 'down';
  // A database outlives the server; sessions in memory are gone.
  find('#store').dataset.state = server && !server.store.table ? 'down' : 'up';
  setText('#who', '(server down)').dataset.known = 'no';
  setText('#process', server ? `${server.processId}, ended` : 'down').dataset.state = 'down';
  const question = username ? ', and see whether you are still logged in' : '';
  const advice =
    condition === 'failing'
      ? 'The database error ended it. Start it again, then restore the database.'
      : `Start it again${question}.`;
  condition = 'down';
  report('down', 'The server is down.', advice);
}

/** Reports what happened since the page last knew who is logged in. @param {Inspection | undefined} inspection */
async function serverIsUp(inspection) {
  const before = { condition, server, username };
  condition = 'up';
  showServer(inspection);
  const processes =
    before.server && inspection
      ? ` (process ${before.server.processId} → ${inspection.processId})`
      : '';
  const back = `The server is back${processes}.`;
  if (before.condition === 'up') log('down', 'The server was down.');
  if (before.condition === 'up' || before.condition === 'down') log('calm', back);
  if (!(await showLogin())) return;

  const login = username ? `You are logged in as ${username}.` : 'You are not logged in.';
  const isKept = before.username !== undefined && username === before.username;
  if (before.condition === undefined) {
    report(
      'calm',
      login,
      username ? 'Now restart the server.' : 'Log in, then restart the server.',
    );
  } else if (before.condition === 'failing') {
    report(isKept ? 'kept' : 'calm', `The database is back. ${login}`, 'The server kept running.');
  } else if (!before.username) {
    announce('calm', back, 'You were not logged in. Log in, and restart the server again.');
  } else if (isKept) {
    log('kept', `Still logged in as ${username}.`);
    announce('kept', `You are still logged in as ${username}.`, back);
  } else {
    log('lost', `Logged out. ${reason(before.server)}`);
    announce('lost', 'You are logged out.', `${back} ${reason(before.server)}`);
  }
}

/** Why a login was lost. @param {Inspection | undefined} before the server that had the session. */
function reason(before) {
  if (before && !before.store.table) {
    return `Your session was in ${placeOf(before)}, and ended with it.`;
  }
  const guess = before ? ' Was its database deleted, or its secret changed?' : '';
  return `The server no longer has your session.${guess}`;
}

/** @param {Inspection} inspection */
function placeOf({ store: { table }, processId }) {
  return table ? `the table ${table}` : `the memory of process ${processId}`;
}

/** @param {boolean} register whether to create the account first. */
async function submit(register) {
  const credentials = Object.fromEntries(new FormData(form));
  if (register && !(await isDone('api/register', credentials))) return;
  if (!(await isDone('api/login', credentials))) return;
  if (!(await showLogin(Date.now()))) return;
  const login = `${register ? 'Registered and logged in' : 'Logged in'} as ${username}.`;
  const place = server ? `Your session is in ${placeOf(server)}.` : '';
  log('calm', `${login} ${place}`);
  announce('calm', login, `${place} Now restart the server.`);
}

async function logOut() {
  if (!(await isDone('api/logout'))) return;
  localStorage.removeItem(expiryKey);
  form.reset();
  if (!(await showLogin())) return;
  const detail = 'The server deleted your session, and your browser the cookie.';
  report('calm', 'You logged out.', detail);
}

/**
 * Whether the server did what it was asked to do; if not, the page shows why.
 *
 * @param {string} path
 * @param {object} [content]
 * @param {'POST' | 'DELETE'} [method]
 */
async function isDone(path, content, method = 'POST') {
  setText('#refusal', '');
  const { status, body } = await send(method, path, content);
  const isRefused = status === 0 || status >= 300;
  if (isRefused) setText('#refusal', body.error ?? 'That did not work.');
  return !isRefused;
}

/**
 * Asks the server who is logged in, and shows what depends on it.
 *
 * @param {number} [loggedInAt] when this page logged in, if it just did.
 * @returns {Promise<boolean>} false when the server did not say.
 */
async function showLogin(loggedInAt) {
  const { status, body } = await send('GET', 'api/me');
  if (status !== 200 && status !== 401) {
    report('down', 'The server did not say who is logged in.', body.error ?? '');
    return false;
  }
  username = status === 200 ? body.username : undefined;
  setText('#who', username ?? '— (not logged in)').dataset.known = username ? 'yes' : 'no';
  // If the focused element is about to disappear, the focus moves to its replacement.
  const hadFocus = form.contains(document.activeElement) || document.activeElement === logoutButton;
  form.hidden = username !== undefined;
  logoutButton.hidden = username === undefined;
  if (hadFocus) (username ? logoutButton : find('#login button')).focus();
  await Promise.all([showSession(loggedInAt), showUsers(), showDevices()]);
  return true;
}

async function showUsers() {
  const { status, body } = await send('GET', 'api/users');
  const answer = status === 200 ? body.users.join(', ') : body.error;
  setText('#users', status ? `${status}: ${answer}` : answer);
}

/** From step 8 on, lists the user's sessions. */
async function showDevices() {
  const isListed = username !== undefined && (server?.hasDevices ?? true); // production does not say
  const { status, body } = isListed ? await send('GET', 'api/sessions') : { status: 0, body: {} };
  find('#devices').hidden = status !== 200;
  if (status !== 200) return;
  const isAlone = body.sessions.length < 2; // so there is nothing to end
  for (const id of ['#devices-heading', '#end-others']) find(id).hidden = isAlone;
  find('#device-list').replaceChildren(...body.sessions.map(describeDevice));
}

/** @param {Record<'id' | 'createdAt' | 'lastSeenAt' | 'userAgent', string> & { current: boolean }} session */
function describeDevice({ id, current, createdAt, lastSeenAt, userAgent }) {
  const times = `since ${clock(createdAt)}, last seen ${clock(lastSeenAt)}`;
  if (current) return make('li', make('strong', 'This browser'), `, ${times}`);
  // Chrome calls itself Safari as well, but later.
  const [browser] = /Firefox|Chrome|Safari|curl/.exec(userAgent) ?? userAgent.split(/[ /]/);
  const name = make('span', browser ?? '');
  name.title = userAgent;
  const whose = make('span', ` the session of ${browser}`);
  whose.className = 'hidden';
  const button = make('button', 'End', whose);
  button.className = 'small';
  button.addEventListener('click', () => void endSessions(`/${id}`, 'That session'));
  return make('li', name, `, ${times} `, button);
}

/** @param {string} which is part of the address. @param {string} what */
async function endSessions(which, what) {
  if (!(await isDone(`api/sessions${which}`, undefined, 'DELETE'))) return;
  report('calm', `${what} ended.`, 'Their cookies are worthless now.');
  await Promise.all([showDevices(), showSession()]);
}

/** @param {Inspection | undefined} inspection */
function showServer(inspection) {
  server = inspection;
  for (const id of ['#server', '#store', '#process']) find(id).dataset.state = 'up';
  setText('#process', server ? String(server.processId) : 'hidden in production');
  setText('#since', server ? clock(server.startedAt) : 'hidden in production');
  if (!server) return;
  const number = server.step.slice(0, 2);
  setText('#chapter', `Step ${number}, explained in chapter ${Number(number)} of TUTORIAL.md`);
  setText('#title', server.title);
  document.title = `${number} ${server.title}`;
}

/** Shows what the server remembers about this browser. @param {number} [loggedInAt] */
async function showSession(loggedInAt) {
  const { status, body } = await send('GET', 'inspect');
  /** @type {Inspection | undefined} */
  const inspection = status === 200 ? body : undefined;
  const maxAge = inspection?.session?.cookie?.originalMaxAge;
  if (loggedInAt && maxAge) localStorage.setItem(expiryKey, String(loggedInAt + maxAge));
  showCookie(inspection);
  showStore(inspection);
}

/** @param {Inspection | undefined} inspection */
function showCookie(inspection) {
  const cookie = inspection?.cookie;
  if (!inspection) setText('#cookie', 'Hidden: in production, the server does not show it.');
  else if (!cookie) setText('#cookie', 'None. You get one when you log in.');
  else {
    const stale = ' Your browser still sends it, but the server has no session for it.';
    const code = make('code', `${cookie.name} = ${cookie.value}`);
    find('#cookie').replaceChildren(code, inspection.session ? ` ${inspection.cookieNote}` : stale);
  }
  const expiry = Number(localStorage.getItem(expiryKey));
  const endsWithBrowser = inspection?.session?.cookie?.originalMaxAge === null;
  let expires = expiry ? clock(expiry) : 'Unknown: you did not log in on this page.';
  if (endsWithBrowser) expires = 'When you close the browser.';
  setText('#cookie-expires', inspection && !cookie ? '–' : expires);
  // The page tries to read the cookie, as an injected script would.
  const isReadable = /(^|;\s*)([\w-]*\b)?sid=/.test(document.cookie);
  if (isReadable) setText('#cookie-script', 'Yes. Any script on this page could steal it.');
  else if (!cookie && !username) setText('#cookie-script', 'Log in, and this page will try.');
  else setText('#cookie-script', 'No. This page just tried, and it is not in document.cookie.');
}

/** @param {Inspection | undefined} inspection */
function showStore(inspection) {
  const { session, row, store } = inspection ?? {};
  find('#stored').hidden = !session;
  find('#store-empty').hidden = Boolean(session);
  find('#faults').hidden = !store?.table;
  const rows = store?.table ? 'rows of ' : '';
  setText(
    '#store-role',
    inspection ? `Keeps the sessions in ${rows}${placeOf(inspection)}.` : 'Holds the sessions.',
  );
  const facts = {
    ...(store && { Store: store.name, 'Number of sessions': String(store.sessions) }),
    ...(row && { 'Column sid': row.sid, 'Column expired': row.expired }),
  };
  find('#store-facts').replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      make('div', make('dt', name), make('dd', value)),
    ),
  );
  if (!inspection) {
    setText(
      '#store-empty',
      'With NODE_ENV=production, this server does not show what it stores. To look inside, start it without NODE_ENV.',
    );
  } else if (inspection.cookie) {
    setText('#store-empty', 'There is no session with the id in your cookie.');
  } else {
    setText('#store-empty', 'You have no session. Log in to see it here.');
  }
  if (!inspection || !session) return;
  setText('#payload-heading', row ? 'Column sess' : 'Your session, as stored');
  const misplaced = showPayload(find('#payload'), session, inspection.userData);
  const isMinimal = misplaced.length === 0;
  const verdict = isMinimal
    ? 'It holds the id of the user, and no secrets.'
    : `It holds the ${misplaced.join(' and the ')}, which it does not need.`;
  setText('#verdict', verdict).dataset.mood = isMinimal ? 'kept' : 'lost';
}

/** Shows news at the top and in the log. @param {Mood} mood @param {string} headline @param {string} detail */
function report(mood, headline, detail) {
  log(mood, `${headline} ${detail}`);
  announce(mood, headline, detail);
}

/** Shows news at the top, where screen readers announce it. @param {Mood} mood @param {string} headline @param {string} detail */
function announce(mood, headline, detail) {
  find('#news').dataset.mood = mood;
  setText('#headline', headline);
  setText('#detail', detail);
}

/** Adds a line to the log, newest first. @param {Mood} mood @param {string} text */
function log(mood, text) {
  const item = make('li', make('time', clock(Date.now())), make('span', text));
  item.dataset.mood = mood;
  find('#log').prepend(item);
  find('#log').children[MAX_LOG_LINES]?.remove();
}

/** Formats a moment as a time, with the date unless it is today. @param {string | number} moment */
function clock(moment) {
  const date = new Date(moment);
  const time = date.toLocaleTimeString('en-GB');
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time : `${date.toLocaleDateString('en-GB', { dateStyle: 'medium' })}, ${time}`;
}
