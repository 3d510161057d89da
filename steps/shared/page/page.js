// @ts-check
/// <reference lib="dom" />
import { find, make, pause, setText } from './dom.js';
import { showPayload } from './payload.js';
import { probe, send } from './server.js';

/** @typedef {import('./server.js').Inspection} Inspection */
/** @typedef {'calm' | 'down' | 'failing' | 'good' | 'bad'} Mood */

/** How often, in milliseconds, the page checks the server. */
const POLL_INTERVAL = 500;

/** The lab serves the page of each step below a path. */
const isInLab = location.pathname !== '/';

// Scripts cannot read when the cookie expires, so the page remembers it. In the lab each step has a path.
const expiryKey = `cookie expiry ${location.pathname}`;

/** What the last probe found; `failing` means that the database fails. @type {'up' | 'failing' | 'down' | undefined} */
let condition;
/** The process that answered last; in production it is unknown. @type {Inspection | undefined} */
let server;
/** Who was logged in when the server was last asked. @type {string | undefined} */
let username;
/** The session that the server had for this browser when it last showed it. @type {string | null | undefined} */
let sessionId;
/** When it last showed it. */
let inspectedAt = 0;
/** Whether this page broke the database, and has not restored it yet. */
let hasBroken = false;

/** @type {HTMLFormElement} */
const form = find('#login');
const loginButton = find('#login button');
const logoutButton = find('#logout');
/** Whether the focused button disappeared while the server was down. */
let hasLostFocus = false;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void submit(event.submitter?.id === 'register');
});
logoutButton.addEventListener('click', () => void logOut());
find('#request-users').addEventListener('click', () => void requestUsers());
find('#end-others').addEventListener(
  'click',
  () => void endSessions('', 'All other sessions ended.', 'Their cookies are worthless now.'),
);
find('#break').addEventListener('click', () => void breakDatabase());
find('#restore').addEventListener('click', () => void restoreDatabase());
window.addEventListener('focus', () => void checkSession());
form.reset(); // some browsers keep what was typed before a reload
for (const id of ['#lab', '#no-lab']) find(id).hidden = (id === '#lab') !== isInLab;
void watch();

/** Checks the server for as long as the page is open. */
async function watch() {
  for (;;) {
    const found = await probe();
    const isOther = found.inspection?.processId !== server?.processId;
    if (found.condition === 'up') {
      if (condition !== 'up' || isOther) await serverIsUp(found.inspection);
    } else if (found.condition !== condition) {
      await (found.condition === 'down' ? serverWentDown() : databaseFailed());
    }
    await pause(POLL_INTERVAL);
  }
}

async function breakDatabase() {
  if (await isDone('database/break', {})) hasBroken = true;
  markNextButton();
}

async function restoreDatabase() {
  if (!(await isDone('database/restore', {}))) return;
  const wasBroken = hasBroken;
  hasBroken = false;
  markNextButton();
  if (condition === 'failing') return; // the next probe reports that the database is back
  const before = username;
  if (!(await showLogin())) return;
  if (wasBroken || username !== before) report('calm', `The database is back. ${login()}`, '');
  else report('calm', 'There was nothing to restore.', 'The sessions table was not renamed.');
}

/** While the database is broken, Restore is the button to press. */
function markNextButton() {
  find('#restore').classList.toggle('primary', hasBroken || condition === 'failing');
}

/** Sends a request with the cookie, as any visitor would. Some servers die of it. */
async function databaseFailed() {
  condition = 'failing';
  find('#server').dataset.state = 'up';
  find('#store').dataset.state = 'down';
  find('#faults').hidden = false; // also if the page was opened, or the server started, while the database failed
  showActions();
  markNextButton();
  const asOf = inspectedAt ? ` This is what the server showed at ${clock(inspectedAt)}.` : '';
  showNote(`The database is unavailable.${asOf}`);
  const { status } = await send('GET', 'api/me');
  const advice = status === 503 ? ' Restore the database, and try again.' : '';
  let detail = 'Log in, and see what the server does.';
  if (status >= 500) {
    showUser('(database unavailable)');
    await showUsers();
    detail = `The server answers ${status}.${advice}`;
  }
  report('failing', 'The database is unavailable.', detail);
}

function serverWentDown() {
  const before = condition;
  condition = 'down';
  find('#server').dataset.state = 'down';
  setText('#process', server ? `${server.processId}, ended` : 'not running').dataset.state = 'bad';
  for (const id of ['#age', '#chapter', '#devices', '#faults']) find(id).hidden = true;
  setText('#refusal', '');
  setText('#users', 'No answer: the server is down.');
  showUser('(server down)');
  showActions();
  showStoreOf(server);
  const start = isInLab ? 'Start it in the lab' : `Start it again${command(' (', ')')}`;
  const question = username ? ', and see whether you are still logged in' : '';
  const advice =
    before === 'failing'
      ? `The database error ended it. ${start}, then restore the database.`
      : `${start}${question}.`;
  report('down', 'The server is down.', advice);
}

/** A database outlives its server; sessions in memory do not. @param {Inspection | undefined} ended */
function showStoreOf(ended) {
  const isLost = ended !== undefined && !ended.store.table;
  find('#store').dataset.state = isLost ? 'down' : 'up';
  if (isLost) {
    setText('#store-role', `Kept the sessions in ${placeOf(ended)}.`);
    find('#store-contents').hidden = true;
    showNote('The sessions ended with the process.');
  } else if (inspectedAt) {
    showNote(
      `The rows are still in the database. This is what the server showed at ${clock(inspectedAt)}.`,
    );
  } else showNote('When the server runs, this shows what it stores.');
}

/** Reports what happened since the page last knew who is logged in. @param {Inspection | undefined} inspection */
async function serverIsUp(inspection) {
  const before = { condition, server, username };
  condition = 'up';
  showServer(inspection);
  markNextButton();
  const processes =
    before.server && inspection
      ? ` (process ${before.server.processId} → ${inspection.processId})`
      : '';
  const back = `The server is back${processes}.`;
  if (!(await showLogin())) return;

  const isKept = before.username !== undefined && username === before.username;
  if (before.condition === undefined) {
    report('calm', login(), username ? howToRestart() : 'Log in, then restart the server.');
  } else if (before.condition === 'failing') {
    report(
      isKept ? 'good' : 'calm',
      `The database is back. ${login()}`,
      'The server kept running.',
    );
  } else if (!before.username) {
    report('calm', back, 'You were not logged in. Log in, and restart the server again.');
  } else if (isKept) {
    report('good', `You are still logged in as ${username}.`, back);
  } else {
    report('bad', 'You are logged out.', `${back} ${reason(before.server)}`);
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
  return table ? `the ${table} table` : `the memory of process ${processId}`;
}

function login() {
  return username ? `You are logged in as ${username}.` : 'You are not logged in.';
}

function howToRestart() {
  if (isInLab) return 'Now restart the server in the lab.';
  return `Now restart the server${command(': press Ctrl-C in its terminal, and type ', ' again')}.`;
}

/** The command that starts this server, between two texts; nothing in production, which does not say which step it is. */
function command(/** @type {string} */ before, /** @type {string} */ after) {
  return server ? `${before}npm run step ${numberOf(server) ?? server.step}${after}` : '';
}

/** 3 for `03-knex-sqlite`; the reader's own step has no number. @param {Inspection} inspection */
function numberOf({ step }) {
  return Number.parseInt(step, 10) || undefined;
}

/** @param {boolean} register whether to create the account first. */
async function submit(register) {
  const credentials = Object.fromEntries(new FormData(form));
  if (register && !(await isDone('api/register', credentials))) return;
  if (!(await isDone('api/login', credentials))) return;
  if (!(await showLogin(Date.now()))) return;
  const news = `${register ? 'Registered and logged in' : 'Logged in'} as ${username}.`;
  const place = server ? `Your session is in ${placeOf(server)}.` : '';
  report('calm', news, `${place} ${howToRestart()}`);
}

async function logOut() {
  if (!(await isDone('api/logout'))) return;
  localStorage.removeItem(expiryKey);
  form.reset();
  if (!(await showLogin())) return;
  const detail = 'The server deleted your session, and your browser deleted the cookie.';
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

/** Notices that another window logged in or out. This request, too, leaves the session's expiry as it is. */
async function checkSession() {
  if (condition !== 'up') return;
  const { status, body } = await send('GET', 'inspect');
  if (status === 200 && body.sessionId !== sessionId) await loginChanged();
}

/** Reports a login that began or ended elsewhere. */
async function loginChanged() {
  const before = username;
  if (!(await showLogin()) || username === before) return;
  if (username) report('calm', login(), 'You logged in in another window.');
  else {
    const detail = 'The server has deleted your session: it expired, or was ended elsewhere.';
    report('bad', 'You are logged out.', detail);
  }
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
  showUser(username ?? 'nobody');
  showActions();
  await Promise.all([showSession(loggedInAt), showUsers(), showDevices()]);
  return true;
}

/** @param {string} text */
function showUser(text) {
  setText('#who', text).dataset.state = text === username ? 'good' : 'neutral';
}

/** Shows the form or the button, whichever can be used. If the focused one disappears, the focus moves to the other. */
function showActions() {
  const { activeElement, body } = document;
  const isUnfocused = activeElement === body;
  const hadFocus = find('#actions').contains(activeElement) || (hasLostFocus && isUnfocused);
  form.hidden = condition === 'down' || username !== undefined;
  logoutButton.hidden = condition === 'down' || username === undefined;
  hasLostFocus = hadFocus && condition === 'down';
  const isHidden = isUnfocused || activeElement?.closest('[hidden]');
  if (hadFocus && isHidden && !hasLostFocus) (username ? logoutButton : loginButton).focus();
}

async function requestUsers() {
  if ((await showUsers()) === 401) await loginChanged();
}

/** Requests what is for logged-in users only. @returns {Promise<number>} the status */
async function showUsers() {
  const { status, body } = await send('GET', 'api/users');
  const answer = status === 200 ? body.users.join(', ') : body.error;
  setText('#users', status ? `${status}: ${answer}` : answer);
  return status;
}

/** From step 8 on, lists the user's sessions. */
async function showDevices() {
  const { status, body } = username ? await send('GET', 'api/sessions') : { status: 0, body: {} };
  find('#devices').hidden = status !== 200;
  if (status !== 200) return;
  find('#end-others').hidden = body.sessions.length < 2;
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
  button.addEventListener(
    'click',
    () => void endSessions(`/${id}`, 'That session ended.', 'Its cookie is worthless now.'),
  );
  return make('li', name, `, ${times} `, button);
}

/** @param {string} which is part of the address. @param {[headline: string, detail: string]} news */
async function endSessions(which, ...news) {
  if (!(await isDone(`api/sessions${which}`, undefined, 'DELETE'))) return;
  report('calm', ...news);
  await Promise.all([showDevices(), showSession()]);
}

/** @param {Inspection | undefined} inspection */
function showServer(inspection) {
  server = inspection;
  for (const id of ['#server', '#store']) find(id).dataset.state = 'up';
  const processId = server ? String(server.processId) : 'hidden in production';
  setText('#process', processId).dataset.state = 'good';
  find('#age').hidden = !server;
  if (!server) return;
  setText('#since', clock(server.startedAt));
  const number = numberOf(server);
  find('#chapter').hidden = !number;
  setText('#chapter a', `Read chapter ${number}`);
  setText('#step', number ? `Step ${number}` : 'Practice');
  setText('#title', server.title);
  document.title = number ? `${number}. ${server.title}` : server.title;
}

/** Shows what the server remembers about this browser. @param {number} [loggedInAt] */
async function showSession(loggedInAt) {
  const { status, body } = await send('GET', 'inspect');
  /** @type {Inspection | undefined} */
  const inspection = status === 200 ? body : undefined;
  const maxAge = inspection?.session?.cookie?.originalMaxAge;
  if (loggedInAt && maxAge) localStorage.setItem(expiryKey, String(loggedInAt + maxAge));
  sessionId = inspection?.sessionId;
  inspectedAt = inspection ? Date.now() : 0;
  showCookie(inspection);
  showStore(inspection);
}

/** @param {Inspection | undefined} inspection */
function showCookie(inspection) {
  const cookie = inspection?.cookie;
  if (!inspection) setText('#cookie', 'hidden in production');
  else if (!cookie) setText('#cookie', 'none yet: you get one when you log in');
  else {
    const stale = ' Your browser still sends it, but the server has no session for it.';
    const code = make('code', `${cookie.name} = ${cookie.value}`);
    find('#cookie').replaceChildren(code, inspection.session ? '' : stale);
  }
  const hasCookie = cookie ? true : !inspection && username !== undefined;
  for (const id of ['#cookie-expiry', '#cookie-secrecy']) find(id).hidden = !hasCookie;
  const expiry = Number(localStorage.getItem(expiryKey));
  const endsWithBrowser = inspection?.session?.cookie?.originalMaxAge === null;
  const expires = expiry ? clock(expiry) : 'unknown, because you did not log in on this page';
  setText('#cookie-expires', endsWithBrowser ? 'when you close the browser' : expires);
  // The page tries to read the cookie, as an injected script would.
  const isReadable = /(^|;\s*)([\w-]*\b)?sid=/.test(document.cookie);
  if (isReadable) setText('#cookie-script', 'Yes. Any script on this page could steal it.');
  else setText('#cookie-script', 'No. This page tried: it is not in document.cookie.');
}

/** @param {Inspection | undefined} inspection */
function showStore(inspection) {
  find('#store-contents').hidden = !inspection;
  find('#faults').hidden = !inspection?.store.table;
  if (!inspection) {
    setText('#store-role', 'Keeps the sessions.');
    showNote(
      'With NODE_ENV=production, this server does not show what it stores. To look inside, start it without NODE_ENV.',
    );
    return;
  }
  const { session, row, store, cookie, userData } = inspection;
  setText('#store-role', `Keeps the sessions in ${placeOf(inspection)}.`);
  const facts = {
    Class: store.name,
    'Number of sessions': String(store.sessions),
    ...(row && { 'Column sid': row.sid, 'Column expired': row.expired }),
  };
  find('#store-facts').replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      make('div', make('dt', name), make('dd', value)),
    ),
  );
  find('#stored').hidden = !session;
  if (!session) {
    const missing = cookie
      ? 'It has no session with the id in your cookie.'
      : 'You have no session. Log in to see it here.';
    showNote(missing);
    return;
  }
  showNote('');
  setText('#payload-heading', row ? 'Column sess' : 'Your session, as stored');
  const misplaced = showPayload(find('#payload'), session, userData);
  const isMinimal = misplaced.length === 0;
  const verdict = isMinimal
    ? 'It holds the id of the user, and no secrets.'
    : `It holds the ${misplaced.join(' and the ')}, which it does not need.`;
  setText('#verdict', verdict).dataset.state = isMinimal ? 'good' : 'bad';
}

/** Says why the store shows no session, or an earlier state of it. @param {string} text */
function showNote(text) {
  setText('#store-note', text).hidden = !text;
}

/** Shows news at the top, where screen readers announce it. @param {Mood} mood @param {string} headline @param {string} detail */
function report(mood, headline, detail) {
  find('#news').dataset.state = mood;
  setText('#headline', headline);
  setText('#detail', detail);
}

/** Formats a moment as a time, with the date unless it is today. @param {string | number} moment */
function clock(moment) {
  const date = new Date(moment);
  const time = date.toLocaleTimeString('en-GB');
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time : `${date.toLocaleDateString('en-GB', { dateStyle: 'medium' })}, ${time}`;
}
