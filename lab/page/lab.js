// @ts-check
/// <reference lib="dom" />
/// <reference lib="es2024.collection" />
import { find, make, pause, setText } from '../../steps/shared/page/dom.js';
import { send } from '../../steps/shared/page/server.js';
import { StepRow, until } from './step-row.js';

/** @typedef {import('../step-runner.ts').StepState} StepState */

/** How long, in milliseconds, servers or databases stay down, so the reader can see it. */
const DOWNTIME = 800;

/** @type {import('./step-row.js').Columns} */
const columns = (await send('GET', 'lab/columns')).body;

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

/** What the buttons above the table do, unless the lab only has to measure. @type {Record<string, (steps: StepRow[]) => Promise<string>>} */
const actions = {
  userData: logInEverywhere,
  restart: (steps) => endEverything(steps, 'restart', 'stop'),
  crash: (steps) => endEverything(steps, 'crash', 'crash'),
  failure: failEveryDatabase,
};
const buttons = Object.keys(columns).map(addColumn);
showColumn(sessionStorage.getItem('column') ?? '');

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
  for (const row of rowsIn('up')) void checkLogin(row);
});

/** Shows a new state of a step, and what it means for the reader's login. @param {StepState} state */
async function show(state) {
  const known = rows.get(state.step);
  const row = known ?? new StepRow(state, columns);
  const before = known?.state;
  rows.set(state.step, row);
  row.show(state);
  const isNew = before?.phase !== state.phase || before.processId !== state.processId;
  if (!isNew && before.isBroken === state.isBroken) return;
  if (before && !working) forgetNews();
  if (state.phase === 'up') await checkLogin(row);
}

/** Adds a column to the table, and the button above it. @param {string} column */
function addColumn(column) {
  const { title = '', button: text = '' } = columns[column] ?? {};
  const head = make('th', title);
  head.scope = 'col';
  head.dataset.column = column;
  find('#columns').append(head);
  const button = make('button', text);
  button.type = 'button';
  button.dataset.column = column;
  button.ariaDisabled = 'true';
  button.addEventListener('click', () => void press(button));
  find('.console').append(button);
  return button;
}

/** @param {StepRow} row */
async function checkLogin(row) {
  const { username } = row;
  await row.check();
  if (row.username !== username && !working) result = '';
  update();
}

/** @param {StepRow[]} steps */
async function logInEverywhere(steps) {
  await Promise.all(steps.map((row) => row.logIn()));
  const loggedIn = steps.filter(({ username }) => username);
  const introduction = `Logged in to ${listSteps(loggedIn)} as demo.`;
  return tellOutcomes(loggedIn, 'userData', introduction);
}

/** @param {StepRow[]} steps */
function logInWhereMissing(steps) {
  return Promise.all(steps.filter(({ username }) => !username).map((row) => row.logIn()));
}

/** @param {StepRow[]} steps @param {string} column @param {string} action */
async function endEverything(steps, column, action) {
  await logInWhereMissing(steps); // or there would be no login to keep or to lose
  await Promise.all(steps.map((row) => row.act(action)));
  setText('#news', 'All servers are down.');
  await pause(DOWNTIME);
  setText('#news', 'The servers are starting again …');
  await actAndCheck(steps, 'start');
  return tellOutcomes(steps, column);
}

/** @param {StepRow[]} steps @param {string} column */
async function measure(steps, column) {
  await Promise.all(
    steps.map(async (row) => {
      row.record(column, await row.act(column));
      await row.check(); // a day ends the reader's login
    }),
  );
  return tellOutcomes(steps, column, columns[column]?.done);
}

/** @param {StepRow[]} steps */
async function failEveryDatabase(steps) {
  await logInWhereMissing(steps); // visitors without a session need no database
  await actAndCheck(steps, 'break');
  await until(() => steps.every(({ outcomes }) => outcomes.failure));
  await pause(DOWNTIME); // a server may answer first, and then die
  setText('#news', 'Restoring every database …');
  await actAndCheck(steps, 'restore');
  const ended = steps.filter(({ state }) => state.phase !== 'up');
  await actAndCheck(ended, 'start');
  return tellOutcomes(steps, 'failure');
}

/** Does something to steps, and asks each what happened to the login. @param {StepRow[]} steps @param {string} action */
function actAndCheck(steps, action) {
  return Promise.all(steps.map((row) => row.act(action).then(() => row.check())));
}

/** One sentence for each outcome in a column. @param {StepRow[]} some @param {string} column @param {string} [introduction] */
function tellOutcomes(some, column, introduction) {
  const news = tell(some, (row) => row.outcome(column)?.news);
  return [introduction, news].filter(Boolean).join(' ');
}

/**
 * Each sentence once, with the steps that it is about.
 *
 * @param {StepRow[]} some
 * @param {(row: StepRow) => string | undefined} sentenceOf rows without a sentence are left out.
 */
function tell(some, sentenceOf) {
  const sentences = [...Map.groupBy(some, sentenceOf)].map(([sentence, rows]) =>
    sentence?.replace('{steps}', listSteps(rows)),
  );
  return sentences.filter(Boolean).join(' ');
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
  const list = new Intl.ListFormat('en-GB').format(parts) || 'none';
  return some.length === 1 ? `step ${list}` : `steps ${list}`;
}

/** @param {StepState['phase']} phase */
function rowsIn(phase) {
  return [...rows.values()].filter(({ state }) => state.phase === phase);
}

/** Does something to every running step; one action at a time. @param {HTMLElement} button */
async function press(button) {
  if (button.ariaDisabled === 'true') return;
  const { column = '' } = button.dataset;
  const steps = rowsIn('up');
  working = button;
  forgetNews();
  showColumn(column);
  for (const row of steps) row.awaitOutcome(column);
  update();
  const { running } = columns[column] ?? {};
  if (running) setText('#news', running);
  try {
    result = await (actions[column]?.(steps) ?? measure(steps, column));
  } finally {
    for (const row of steps) if (!row.outcomes[column]) row.record(column);
    for (const row of rows.values()) row.change = undefined; // the result has told it
    working = undefined;
    update();
  }
}

/** Marks a column as the one that a narrow screen shows. @param {string} column */
function showColumn(column) {
  sessionStorage.setItem('column', column);
  for (const head of document.querySelectorAll('th[data-column]')) {
    const isCurrent = head.getAttribute('data-column') === column;
    head.toggleAttribute('data-current', isCurrent);
    if (isCurrent) head.scrollIntoView({ block: 'nearest', inline: 'end' });
  }
}

function update() {
  if (!working) setText('#news', currentNews()); // a button that is at work tells its own
  updateButtons();
}

/** Enables the buttons above the table when they can work, and highlights the next one. */
function updateButtons() {
  const canWork = rowsIn('starting').length === 0 && rowsIn('up').length > 0;
  const isEnabled = isReady && !working && canWork;
  const next = working ?? (isEnabled ? nextButton() : undefined);
  for (const button of buttons) {
    button.ariaDisabled = String(!isEnabled);
    const wasNext = button.classList.contains('primary');
    button.classList.toggle('primary', button === next);
    if (button === next && !wasNext) button.scrollIntoView({ block: 'nearest', inline: 'center' });
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
  return untried.find(({ dataset }) => dataset.column === 'crash') ?? untried[0];
}

/** The most important first: what is going on or has failed, then the result of the last button. */
function currentNews() {
  if (isGone) {
    return 'The lab has stopped, and deleted its databases. Run npm start in its terminal, and begin again.';
  }
  const all = [...rows.values()];
  const known = all.filter(({ isKnown }) => isKnown);
  isReady ||= known.length === all.length;
  if (!isReady) return `Starting the servers: ${known.length} of ${all.length} …`;
  const news = tell(all, (row) => row.news);
  return [news, result, news ? '' : hint()].filter(Boolean).join(' ');
}

/** What to do next, where the highlighted button does not say it. */
function hint() {
  const next = nextButton();
  if (!next) return 'You have tried everything. The chapters explain why.';
  if (result) return '';
  if (next !== buttons[0]) return `Next: ${next.textContent}.`;
  return 'Each row is a step of the tutorial, running a server of its own. Log in everywhere. Then crash everything.';
}

/** What happened before is no longer news. */
function forgetNews() {
  result = '';
  for (const row of rows.values()) row.change = undefined;
}
