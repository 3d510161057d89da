/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

// What the page needs of the answer of /inspect; where it comes from is in ../inspect.ts.
/**
 * @typedef {object} Inspected
 * @property {string} step
 * @property {string} title
 * @property {number} processId
 * @property {string} startedAt
 * @property {{ name: string, sessions: number }} store
 * @property {string | null} sessionId
 * @property {{ cookie: { originalMaxAge: number } } | null} session
 * @property {{ what: string, path: string[] }[]} userData
 * @property {{ table: string, expired: string } | null} row
 */

/** How often to look whether the server is there, in milliseconds. */
const INTERVAL = 1000;

/** What the page knew when it looked last. */
const known = {
  /** @type {number | null} */
  processId: null,
  /** @type {string | null} */
  user: null,
  down: false,
  /** Whether this page saw the browser get a cookie: it cannot read the cookie itself. */
  cookie: false,
};

const form = element('login', HTMLFormElement);
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  await act(logIn);
});
element('register', HTMLButtonElement).addEventListener('click', () => act(register));
element('logout', HTMLButtonElement).addEventListener('click', () => act(logOut));

await watch();

/** Looks at the server again and again, and says so when it went away or came back. */
async function watch() {
  await look();
  setTimeout(watch, INTERVAL);
}

async function look() {
  // Without the cookie: looking must not keep the session alive.
  const answer = await request('GET', 'inspect', undefined, 'omit');
  if (!answer) {
    if (!known.down) log('The server went away.', 'bad');
    known.down = true;
    element('who').textContent = 'The server is down.';
    return;
  }
  const processId = answer.status === 200 ? answer.body.processId : 0;
  const restarted = known.processId !== null && known.processId !== processId;
  if (restarted) log(`The server is back: process ${known.processId} → ${processId}.`);
  else if (known.down) log('The server is back.');
  const changed = restarted || known.down || known.processId === null;
  known.processId = processId;
  known.down = false;
  if (!changed) return;

  const before = known.user;
  await refresh();
  if (!restarted || !before) return;
  if (known.user) log(`You are still logged in as ${known.user}.`, 'good');
  else log('You are logged out: the server does not know your session any more.', 'bad');
}

async function logIn() {
  const answer = await request('POST', 'api/login', credentials());
  if (answer?.status === 200) log(`You logged in as ${answer.body.username}.`);
  return answer;
}

async function register() {
  const answer = await request('POST', 'api/register', credentials());
  if (answer?.status !== 201) return answer;
  log(`You registered ${answer.body.username}.`);
  return logIn();
}

async function logOut() {
  const answer = await request('POST', 'api/logout');
  if (answer?.status === 204) {
    known.cookie = false;
    log('You logged out.');
  }
  return answer;
}

/** @param {() => ReturnType<typeof request>} action */
async function act(action) {
  const answer = await action();
  const problem = answer
    ? answer.body?.error
    : 'The server is down. Start it again in its terminal.';
  element('problem').textContent = problem ?? '';
  if (answer) await refresh();
}

/** Asks who the browser is, and shows everything anew. */
async function refresh() {
  const me = await request('GET', 'api/me');
  const users = await request('GET', 'api/users');
  const inside = await request('GET', 'inspect');
  if (!me || !users || !inside) return;
  known.user = me.status === 200 ? me.body.username : null;

  const who = element('who');
  who.textContent = known.user ? `It knows you as ${known.user}.` : 'It does not know you.';
  who.className = `lead ${known.user ? 'good' : ''}`;
  element('restricted').textContent = `${users.status} ${JSON.stringify(users.body)}`;
  form.hidden = known.user !== null;
  element('leave').hidden = known.user === null;

  if (inside.status === 200) show(inside.body);
  else showNothing();
}

/** @param {Inspected} inside */
function show({ step, title, processId, startedAt, store, sessionId, session, userData, row }) {
  document.title = `${step} · Keep your users logged in`;
  element('step').textContent =
    `Step ${step}, chapter ${Number(step.slice(0, 2)) || ''} of TUTORIAL.md`;
  element('title').textContent = title;
  list('server', { process: String(processId), 'running since': clock(startedAt) });

  const hours = session ? session.cookie.originalMaxAge / 3_600_000 : 0;
  known.cookie ||= sessionId !== null;
  element('cookie-lead').textContent = sessionId
    ? 'It has a cookie, and sends it with every request.'
    : known.cookie
      ? 'It still sends its cookie, but the server has no session for it.'
      : 'It has no cookie of this server.';
  list(
    'cookie',
    sessionId
      ? { name: 'sid', value: `s:${sessionId}`, ends: `${hours} hours after your login` }
      : {},
  );
  element('script-note').textContent = document.cookie.includes('sid=')
    ? 'This page can read the cookie, and so can every script in it: set httpOnly.'
    : 'This page asked for document.cookie and got nothing of it: scripts cannot read the cookie (HttpOnly).';

  const many = store.sessions === 1 ? '1 session' : `${store.sessions} sessions`;
  element('store-lead').textContent = `${store.name} holds ${many}.`;
  list('row', row && sessionId ? { table: row.table, sid: sessionId, expired: row.expired } : {});
  element('payload').hidden = session === null;
  element('payload').replaceChildren(...marked(session, userData));
  const exposed = userData.filter(({ what }) => what !== 'user id').length;
  element('payload-note').textContent = !session
    ? 'Nothing of it is yours. Log in, and look here again.'
    : exposed > 0
      ? 'This is your session as it is stored. What is marked is a copy that leaks, and grows old.'
      : 'This is your session as it is stored: the id of a user, and no secrets.';
}

function showNothing() {
  element('title').textContent = 'A server in production';
  element('hint').textContent =
    'With NODE_ENV=production the server shows nobody its inside. You can log in all the same.';
  element('store-lead').textContent = 'The server does not show it in production.';
}

/**
 * The lines of a payload, those marked that hold what should not be in it.
 *
 * @param {object | null} payload
 * @param {Inspected['userData']} userData
 */
function marked(payload, userData) {
  return JSON.stringify(payload, null, 2)
    .split('\n')
    .map((line) => {
      const found = userData.find(({ path }) => line.trimStart().startsWith(`"${path.at(-1)}":`));
      if (!found || found.what === 'user id') return `${line}\n`;
      const mark = document.createElement('mark');
      mark.textContent = line;
      mark.dataset.what = found.what;
      return mark;
    });
}

function credentials() {
  return Object.fromEntries(new FormData(form));
}

/**
 * Sends a request. All addresses are relative, so that the page can be served below a prefix.
 *
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {RequestCredentials} [credentials]
 * @returns {Promise<{ status: number, body: any } | null>} null when the server cannot be reached.
 */
async function request(method, path, body, credentials = 'same-origin') {
  try {
    const response = await fetch(path, {
      method,
      credentials,
      cache: 'no-store',
      ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null };
  } catch {
    return null;
  }
}

/**
 * @param {string} text
 * @param {'good' | 'bad' | ''} [mood]
 */
function log(text, mood = '') {
  const entry = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  entry.append(time, text);
  entry.className = mood;
  element('log').prepend(entry);
}

/**
 * Fills a list of names and values.
 *
 * @param {string} id
 * @param {Record<string, string>} values
 */
function list(id, values) {
  element(id).replaceChildren(
    ...Object.entries(values).flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
      dt.textContent = name;
      dd.textContent = value;
      return [dt, dd];
    }),
  );
}

/** @param {string} date */
function clock(date) {
  return new Date(date).toLocaleTimeString();
}

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {{ new (): T }} [kind]
 * @returns {T}
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof (kind ?? HTMLElement))) throw new Error(`The page has no ${id}.`);
  return /** @type {T} */ (found);
}
