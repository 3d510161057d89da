// @ts-check
/// <reference lib="dom" />
/// <reference lib="es2024.collection" />
import { find, make, pause, setText } from '../../steps/shared/page/dom.js';
import { StepRow } from './step-row.js';

/** @typedef {import('../step-runner.ts').StepState} StepState */

const demo = { username: 'demo', password: 'demo-password' };

/** How long, in milliseconds, servers or databases stay down, so the reader can see it. */
const DOWNTIME = 800;
/** How long, in milliseconds, the page waits for the outcome of an action. */
const OUTCOME_TIMEOUT = 15_000;

/** What happens in the steps with an outcome, in a sentence. @typedef {(outcome: string, steps: string) => string} Sentence */

/**
 * What the lab measures on each running step, by the action of the button.
 *
 * @type {Record<string, { running: string, done?: string, sentence: Sentence }>}
 */
const measurements = {
  logout: {
    running: 'Uploading a file, and logging out before the upload is complete …',
    done: 'The lab logged in once more for this, so your own login stays.',
    sentence: (outcome, steps) =>
      outcome === 'comes back'
        ? `In ${steps}, the login came back when the upload ended.`
        : `In ${steps}, the logout was final.`,
  },
  reads: {
    running: 'Reading 100 times …',
    sentence: (outcome, steps) =>
      `In ${steps}, 100 reads caused ${outcome === '0' ? 'no' : outcome} writes.`,
  },
  day: {
    running: 'A day passes …',
    done: 'A day has passed, and every session has expired. (Only the clocks of the steps moved, so dates there may be a day ahead.)',
    sentence: (outcome, steps) => `In ${steps}, they are ${outcome}.`,
  },
  steal: {
    running: 'A thief takes the sessions table and the secret, and makes cookies …',
    done: 'A thief copied every sessions table, and made cookies from it.',
    sentence: (outcome, steps) =>
      ({
        'opens sessions': `In ${steps}, the cookies open the sessions.`,
        worthless: `In ${steps}, no cookie works.`,
      })[outcome] ?? `In ${steps}, there is no table.`,
  },
  elsewhere: {
    running: 'A page on another site tries to log the user out …',
    done: 'A page on another site asked to log out a second session, which the lab had started.',
    sentence: (outcome, steps) =>
      outcome === 'obeyed' ? `In ${steps}, the server obeyed.` : `In ${steps}, it refused.`,
  },
  second: {
    running: 'A second server starts, on a machine with a disk of its own …',
    done: 'A second server, on a machine with a disk of its own, got your cookie.',
    sentence: (outcome, steps) =>
      outcome === 'known' ? `In ${steps}, it knows you.` : `In ${steps}, it knows nobody.`,
  },
};

/**
 * News of steps, apart from the actions above: what is going on, what has failed, what has just changed.
 *
 * @type {Record<string, (steps: string) => string>}
 */
const sentences = {
  start: (steps) => `Starting ${steps} …`,
  stop: (steps) => `Stopping ${steps} …`,
  restart: (steps) => `Restarting ${steps} …`,
  crash: (steps) => `Crashing ${steps} …`,
  break: (steps) => `Breaking the database of ${steps} …`,
  restore: (steps) => `Restoring the database of ${steps} …`,
  failed: (steps) => `In ${steps}, the server did not start. Its row says why.`,
  SIGTERM: (steps) => `In ${steps}, the server has ended. Start it in its row.`,
  SIGKILL: (steps) => `In ${steps}, the server was killed. Start it in its row.`,
  error: (steps) => `In ${steps}, the server died of an error. Start it in its row.`,
  'error again': (steps) => `In ${steps}, the server died of an error again. Start it in its row.`,
  'database error': (steps) =>
    `In ${steps}, the server died because its database failed. Restore it in its row.`,
  'database error again': (steps) =>
    `In ${steps}, the server died again because its database failed. Restore it in its row.`,
  repaired: (steps) => `In ${steps}, the database is back. Start the server in its row.`,
  failing: (steps) => `In ${steps}, the database fails, and the server answers with an error.`,
  replaced: (steps) =>
    `In ${steps}, the server made a new, empty table when it started. Restore the old one in its row.`,
  back: (steps) => `In ${steps}, the server is back.`,
  kept: (steps) => `In ${steps}, the server is back, and you are still logged in.`,
  lost: (steps) => `In ${steps}, the server is back, and you are logged out.`,
  restored: (steps) => `In ${steps}, the database is back, and you are still logged in.`,
  'restored, logged out': (steps) => `In ${steps}, the database is back.`,
  in: (steps) => `You logged in to ${steps}.`,
  out: (steps) => `You are logged out of ${steps}.`,
};

/** When a button of a row has done its work. @type {Record<string, (state: StepState, before: StepState) => boolean>} */
const isDone = {
  restart: ({ phase, processId }, before) =>
    phase === 'failed' || (phase === 'up' && processId !== before.processId),
  crash: ({ phase }) => phase === 'down',
  start: ({ phase }) => phase === 'failed' || phase === 'up',
  break: ({ isBroken }) => isBroken,
  restore: ({ isBroken }) => !isBroken,
};

/** The columns that the buttons of a row can fill in. @type {Record<string, string>} */
const columnOf = {
  restart: 'after a restart',
  crash: 'after SIGKILL',
  break: 'failing database',
};

/** @type {Map<string, StepRow>} */
const rows = new Map();
/** The button above the table that is at work. It will announce the outcome. @type {HTMLElement | undefined} */
let working;
/** Whether the page has seen every step. */
let isReady = false;
/** Whether the lab has stopped. */
let isGone = false;
/** What the last button above the table did, as long as nothing else happened. */
let result = '';

/** @type {NodeListOf<HTMLElement>} */
const buttons = document.querySelectorAll('.console button');
/** @type {Record<string, (steps: StepRow[], column: string) => Promise<string>>} */
const actions = {
  login: logInEverywhere,
  stop: (steps) => endEverything(steps, 'stop'),
  crash: (steps) => endEverything(steps, 'crash'),
  fail: failEveryDatabase,
};
for (const button of buttons) button.addEventListener('click', () => void press(button));

const events = new EventSource('lab/events');
events.addEventListener('message', ({ data, lastEventId }) => {
  // Another lab has other databases: nothing that was seen in the one before is true of it.
  if (sessionStorage.getItem('lab') !== lastEventId) {
    sessionStorage.clear();
    sessionStorage.setItem('lab', lastEventId);
    if (rows.size > 0) location.reload();
  }
  isGone = false;
  /** @type {StepState[]} */
  const states = JSON.parse(data);
  for (const state of states) void show(state);
  update();
});
events.addEventListener('error', () => {
  isGone = true;
  for (const row of rows.values()) {
    row.show({ ...row.state, phase: 'down', processId: null, lastEnd: 'SIGTERM' });
  }
  update();
});
// The reader may have logged in or out on the page of a step.
window.addEventListener('focus', () => {
  for (const row of runningRows()) void checkLogin(row);
});

/** Shows a new state of a step, and what it means for the reader's login. @param {StepState} state */
async function show(state) {
  const known = rows.get(state.step);
  const row = known ?? addRow(state);
  const before = known?.state;
  row.show(state);
  const isNew = before?.phase !== state.phase || before.processId !== state.processId;
  if (!isNew && before.isBroken === state.isBroken) return;
  if (before && !working && !row.doing) forgetNews();
  if (state.phase === 'up') await checkLogin(row);
}

/** @param {StepState} state */
function addRow(state) {
  if (rows.size === 0) addColumns(state.columns);
  const row = new StepRow(state, (row, action) => void pressOfRow(row, action));
  rows.set(state.step, row);
  showColumn(sessionStorage.getItem('column') ?? '');
  return row;
}

/** @param {string[]} columns */
function addColumns(columns) {
  for (const title of columns) {
    const head = make('th', title);
    head.scope = 'col';
    head.dataset.column = title;
    find('#columns').append(head);
  }
}

/** @param {StepRow} row */
async function checkLogin(row) {
  const { username } = row;
  await row.check();
  if (row.username !== username && !working) result = '';
  update();
}

/** @param {StepRow[]} steps */
async function logInEverywhere(steps, column = '') {
  await Promise.all(steps.map((row) => row.logIn(demo)));
  const loggedIn = steps.filter(({ username }) => username);
  return tellOutcomes(
    loggedIn,
    ({ outcomes }) => outcomes[column],
    (outcome, steps) =>
      `In ${steps}, the session holds the user's ${listWords(outcome.split(', '))}.`,
    `Logged in to ${listSteps(loggedIn)} as ${demo.username}.`,
  );
}

/** @param {StepRow[]} some */
async function logInWhereMissing(some) {
  const loggedOut = some.filter(({ username }) => !username);
  await Promise.all(loggedOut.map((row) => row.logIn(demo)));
}

/** @param {StepRow[]} steps @param {'stop' | 'crash'} action */
async function endEverything(steps, action) {
  announce(action === 'crash' ? 'Killing every server …' : 'Stopping every server …');
  await logInWhereMissing(steps); // or there would be no login to keep or to lose
  const hadLogin = steps.some(({ username }) => username);
  await Promise.all(steps.map((row) => row.act(action)));
  announce('All servers are down.');
  await pause(DOWNTIME);
  announce('The servers are starting again …');
  await startAgain(steps);
  return tellOutcomes(
    steps,
    ({ fate, state }) => (state.error ? 'failed' : fate),
    (outcome, steps) => {
      if (outcome === 'kept') return `You are still logged in to ${steps}.`;
      if (outcome === 'lost') return `You are logged out of ${steps}.`;
      return `The server of ${steps} did not start.`;
    },
    hadLogin ? '' : 'You were not logged in, so there was no login to lose.',
  );
}

/** @param {string} action @param {StepRow[]} steps @param {string} column */
async function measure(action, steps, column) {
  const { running = '', done, sentence = () => '' } = measurements[action] ?? {};
  announce(running);
  await Promise.all(
    steps.map(async (row) => {
      row.record(column, await row.act(action));
      await row.check(); // a day ends the reader's login
    }),
  );
  return tellOutcomes(steps, ({ outcomes }) => outcomes[column], sentence, done);
}

/** @param {StepRow[]} steps @param {string} column */
async function failEveryDatabase(steps, column) {
  announce('Breaking every database …');
  await logInWhereMissing(steps); // visitors without a session need no database
  await Promise.all(steps.map((row) => row.act('break').then(() => row.check())));
  await until(() => steps.every(({ outcomes }) => outcomes[column]));
  await pause(DOWNTIME); // a server may answer first, and then die
  announce('Restoring every database …');
  await Promise.all(steps.map((row) => row.act('restore')));
  await startAgain(steps.filter(({ state }) => state.phase !== 'up'));
  await until(() =>
    steps.every(({ outcomes, state }) => outcomes[column] !== '503' && !state.isBroken),
  );
  return tellOutcomes(
    steps,
    ({ outcomes }) => outcomes[column],
    (outcome, steps) => {
      if (outcome === 'not affected') return `The failure did not affect ${steps}.`;
      if (outcome === 'the process dies')
        return `In ${steps}, the process died, and the lab started it again.`;
      return `In ${steps}, requests got a ${outcome.replace(', and back', ' until the database was back')}.`;
    },
  );
}

/** Starts steps, and waits until each shows what happened to its login. @param {StepRow[]} some */
async function startAgain(some) {
  await Promise.all(some.map((row) => row.act('start')));
  await until(() => some.every(({ state: { phase } }) => phase === 'up' || phase === 'failed'));
  await Promise.all(some.map((row) => row.check()));
}

/**
 * One sentence for each outcome.
 *
 * @param {StepRow[]} some
 * @param {(row: StepRow) => string | undefined} outcomeOf rows without an outcome are left out.
 * @param {Sentence} sentence
 * @param {string} [introduction]
 */
function tellOutcomes(some, outcomeOf, sentence, introduction) {
  const sentences = [...Map.groupBy(some, outcomeOf)].map(
    ([outcome, rows]) => outcome && sentence(outcome, listSteps(rows)),
  );
  return [introduction, ...sentences].filter(Boolean).join(' ');
}

/** In words: steps 01, 02 and 04 to 07. @param {StepRow[]} some */
function listSteps(some) {
  /** @type {string[][]} */
  const runs = [];
  for (const { number } of some) {
    const run = runs.at(-1);
    if (run && Number(run.at(-1)) + 1 === Number(number)) run.push(number);
    else runs.push([number]);
  }
  const parts = runs.flatMap((run) => (run.length > 2 ? `${run[0]} to ${run.at(-1)}` : run));
  const list = listWords(parts) || 'none';
  return some.length === 1 ? `step ${list}` : `steps ${list}`;
}

/** @param {string[]} words */
function listWords(words) {
  return new Intl.ListFormat('en-GB').format(words);
}

function areStarting() {
  return [...rows.values()].some(
    ({ state: { phase } }) => phase === 'waiting' || phase === 'starting',
  );
}

function runningRows() {
  return [...rows.values()].filter(({ state }) => state.phase === 'up');
}

/** Does something to every running step; one action at a time. @param {HTMLElement} button */
async function press(button) {
  if (button.ariaDisabled === 'true') return;
  const { action = '', column = '' } = button.dataset;
  const steps = runningRows();
  working = button;
  forgetNews();
  showColumn(column);
  for (const row of steps) row.awaitOutcome(column);
  update();
  try {
    result = await (actions[action]?.(steps, column) ?? measure(action, steps, column));
  } finally {
    for (const row of steps) if (!row.outcomes[column]) row.record(column);
    for (const row of rows.values()) row.change = undefined; // the result has told it
    working = undefined;
    update();
  }
}

/** Does something to one step. @param {StepRow} row @param {string} action */
async function pressOfRow(row, action) {
  const before = row.state;
  const column = columnOf[action];
  if (column) showColumn(column);
  forgetNews();
  row.doing = action;
  update();
  await row.act(action);
  await until(() => isDone[action]?.(row.state, before) ?? true);
  if (row.state.phase === 'up') await row.check();
  row.doing = undefined;
  update();
}

/** Marks a column as the one that a narrow screen shows. @param {string} column */
function showColumn(column) {
  sessionStorage.setItem('column', column);
  for (const cell of document.querySelectorAll('[data-column]')) {
    cell.toggleAttribute('data-current', cell.getAttribute('data-column') === column);
  }
}

function update() {
  tellNews();
  updateButtons();
}

/** Enables the buttons above the table when they can work, and highlights the next one. */
function updateButtons() {
  const isEnabled = isReady && !working && !areStarting() && runningRows().length > 0;
  const next = working ?? (isEnabled ? nextButton() : undefined);
  for (const button of buttons) {
    button.ariaDisabled = String(!isEnabled);
    button.toggleAttribute('data-working', button === working);
    const wasNext = button.classList.contains('primary');
    button.classList.toggle('primary', button === next);
    if (button !== next || wasNext) continue;
    // On a narrow screen, only the buttons scroll.
    const { parentElement: strip, offsetLeft, offsetWidth } = button;
    strip?.scrollTo({ left: offsetLeft - (strip.clientWidth - offsetWidth) / 2 });
  }
}

/** The next button to press above the table: the login if one is missing, then the crash, then what was not tried. */
function nextButton() {
  const steps = [...rows.values()];
  if (steps.some(({ repair }) => repair)) return undefined; // that comes first
  const [login, ...threats] = buttons;
  if (steps.some(({ username }) => !username)) return login;
  const untried = threats.filter(
    ({ dataset: { column = '' } }) => !steps.every(({ outcomes }) => outcomes[column]),
  );
  return untried.find(({ dataset }) => dataset.action === 'crash') ?? untried[0];
}

/** Shows the news, the most important first: what is going on or has failed, then the result of the last button. */
function tellNews() {
  if (working) return; // the button tells
  const all = [...rows.values()];
  if (isGone) {
    return announce(
      'The lab has stopped, and deleted its databases. Run npm start in its terminal, and begin again.',
    );
  }
  const known = all.filter(({ isKnown }) => isKnown);
  isReady ||= known.length === all.length;
  if (!isReady) return announce(`Starting the servers: ${known.length} of ${all.length} …`);
  const news = tellOutcomes(
    all,
    (row) => row.news,
    (name, steps) => sentences[name]?.(steps) ?? '',
  );
  announce([news, result, news ? '' : hint()].filter(Boolean).join(' '));
}

/** What to do next, where the highlighted button does not say it. */
function hint() {
  const next = nextButton();
  if (!next) return 'You have tried everything. TUTORIAL.md explains why.';
  if (result) return '';
  if (next !== buttons[0]) return `Next: ${next.textContent}.`;
  return 'Each row is a step of the tutorial, running a server of its own. Log in everywhere. Then crash everything.';
}

/** @param {string} text */
function announce(text) {
  setText('#news', text);
}

/** What happened before is no longer news. */
function forgetNews() {
  result = '';
  for (const row of rows.values()) row.change = undefined;
}

/** @param {() => boolean} condition */
async function until(condition) {
  const deadline = Date.now() + OUTCOME_TIMEOUT;
  while (!condition() && Date.now() < deadline) await pause(50);
}
