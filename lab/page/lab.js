// @ts-check
/// <reference lib="dom" />
/// <reference lib="es2024.collection" />
import { find, make, pause } from '../../steps/shared/page/dom.js';
import { StepCard } from './step-card.js';

/** @typedef {import('../step-runner.ts').StepState} StepState */

const demo = { username: 'demo', password: 'demo-password' };

/** How long, in milliseconds, servers or databases stay down, so that the reader can see it. */
const DOWNTIME = 800;
/** How long, in milliseconds, the page waits for the outcome of an action. */
const OUTCOME_TIMEOUT = 15_000;

/** What happens in the steps with an outcome, in a sentence. @typedef {(outcome: string, steps: string) => string} Sentence */

/**
 * What the lab measures on each running step, by the action of the button.
 *
 * @type {Record<'logout' | 'reads' | 'day' | 'steal' | 'elsewhere' | 'second', { column: string, running: string, done?: string, sentence: Sentence }>}
 */
const measurements = {
  logout: {
    column: 'logout during a request',
    running: 'Uploading a file, and logging out before the upload is complete …',
    sentence: (outcome, steps) =>
      outcome === 'comes back'
        ? `In ${steps}, the end of the upload brought the login back.`
        : `In ${steps}, the logout was final.`,
  },
  reads: {
    column: 'writes per 100 reads',
    running: 'Reading 100 times …',
    sentence: (outcome, steps) =>
      `In ${steps}, 100 reads caused ${outcome === '0' ? 'no' : outcome} writes.`,
  },
  day: {
    column: 'expired sessions',
    running: 'A day passes …',
    done: 'A day has passed, and every session has expired.',
    sentence: (outcome, steps) => `In ${steps}, they are ${outcome}.`,
  },
  steal: {
    column: 'a stolen table',
    running: 'A thief takes the sessions table and the secret, and makes cookies …',
    done: 'A thief copied every table, and made cookies from it.',
    sentence: (outcome, steps) =>
      ({
        'opens sessions': `In ${steps}, the cookies open the sessions.`,
        worthless: `In ${steps}, no cookie works.`,
      })[outcome] ?? `In ${steps}, there is no table.`,
  },
  elsewhere: {
    column: 'a request from another site',
    running: 'A page on another site logs the user out …',
    done: 'A page on another site asked to log the user out.',
    sentence: (outcome, steps) =>
      outcome === 'obeyed' ? `In ${steps}, the server obeyed.` : `In ${steps}, it refused.`,
  },
  second: {
    column: 'a second machine',
    running: 'A second server starts, on a machine with a disk of its own …',
    done: 'A second server, on a machine with a disk of its own, got your cookie.',
    sentence: (outcome, steps) =>
      outcome === 'known' ? `In ${steps}, it knows you.` : `In ${steps}, it knows nobody.`,
  },
};

/** @type {Map<string, StepCard>} */
const cards = new Map();
/** Whether one of the large buttons is at work. It will announce the outcome. */
let isBusy = false;
/** Whether the page has not yet said what to do first. */
let isWelcome = true;

/** @type {NodeListOf<HTMLElement>} */
const bigButtons = document.querySelectorAll('.console button');
/** @type {Record<string, () => Promise<void>>} */
const actions = {
  login: logInEverywhere,
  restart: () => endEverything('stop'),
  crash: () => endEverything('crash'),
  logout: () => measure('logout'),
  reads: () => measure('reads'),
  day: () => measure('day'),
  steal: () => measure('steal'),
  elsewhere: () => measure('elsewhere'),
  second: () => measure('second'),
  fail: failEveryDatabase,
};
for (const button of bigButtons) button.addEventListener('click', () => void press(button));

const events = new EventSource('lab/events');
events.addEventListener('message', ({ data }) => {
  /** @type {StepState[]} */
  const states = JSON.parse(data);
  for (const state of states) void show(state);
  updateButtons();
});
events.addEventListener('error', () => {
  announce('The lab has stopped. Run npm start in its terminal, and this page will reconnect.');
});
// The reader may have logged in or out on the page of a step.
window.addEventListener('focus', () => {
  for (const card of runningCards()) void card.check().then(updateButtons);
});

/** Shows a new state of a step, and what it means for the reader's login. @param {StepState} state */
async function show(state) {
  const isExpected = isBusy; // then the button announces what it did
  const known = cards.get(state.step);
  const before = known?.state;
  const card = known ?? new StepCard(state);
  if (cards.size === 0) showColumns(state.columns);
  cards.set(state.step, card);
  card.show(state);
  const isNew = before?.phase !== state.phase || before.processId !== state.processId;
  if (!isNew && before.isBroken === state.isBroken) return;
  if (state.phase === 'up') await card.check();
  updateButtons();
  if (isBusy || isExpected) return;
  const news = isNew ? newsOfServer(card) : newsOfDatabase(card);
  if (before && news) announce(news);
  if (isWelcome && !areStarting()) {
    isWelcome = false;
    announce('Log in everywhere. Then crash everything.');
  }
}

/** @param {string[]} columns */
function showColumns(columns) {
  for (const title of ['step', ...columns]) {
    const head = make('th', title);
    head.scope = 'col';
    find('#columns').append(head);
  }
}

/** @param {StepCard} card */
function newsOfServer({ number, username, fate, state: { phase, lastEnd } }) {
  if (phase === 'up') {
    if (fate === 'kept')
      return `Step ${number} is back, and you are still logged in as ${username}.`;
    if (fate === 'lost') return `Step ${number} is back, and you are logged out.`;
    return lastEnd ? `Step ${number} is back.` : '';
  }
  if (phase !== 'down') return '';
  const died = `The server of step ${number} died`;
  if (lastEnd === 'database error') return `${died} because its database failed.`;
  return lastEnd === 'error' ? `${died} after an error.` : `Step ${number} is down.`;
}

/** @param {StepCard} card */
function newsOfDatabase({ number, username, state: { phase, isBroken } }) {
  if (phase !== 'up') return '';
  const database = `The database of step ${number}`;
  if (isBroken) return `${database} fails. The server responds with an error.`;
  return `${database} is back${username ? ', and you are still logged in' : ''}.`;
}

async function logInEverywhere() {
  const running = runningCards();
  await Promise.all(running.map((card) => card.logIn(demo)));
  const loggedIn = running.filter(({ username }) => username);
  announce(`Logged in to ${listSteps(loggedIn)} as ${demo.username}. Now crash everything.`);
}

/** @param {StepCard[]} some */
async function logInWhereMissing(some) {
  const loggedOut = some.filter(({ username }) => !username);
  await Promise.all(loggedOut.map((card) => card.logIn(demo)));
}

/** @param {'stop' | 'crash'} action */
async function endEverything(action) {
  const running = runningCards();
  await logInWhereMissing(running); // or there would be no login to keep or to lose
  const hadLogin = running.some(({ username }) => username);
  await Promise.all(running.map((card) => card.act(action)));
  announce('All servers are down.');
  await pause(DOWNTIME);
  announce('The servers are starting again …');
  await startAgain(running);
  announceOutcomes(
    running,
    ({ fate, state }) => (state.error ? 'failed' : fate),
    (outcome, steps) => {
      if (outcome === 'kept') return `You are still logged in to ${steps}.`;
      if (outcome === 'lost') return `You are logged out of ${steps}.`;
      return `The server of ${steps} did not start.`;
    },
    hadLogin ? '' : 'You were not logged in, so there was no login to lose.',
  );
}

/** @param {keyof typeof measurements} action */
async function measure(action) {
  const { column, running, done, sentence } = measurements[action];
  const steps = runningCards();
  announce(running);
  for (const card of steps) card.record(column);
  await Promise.all(
    steps.map(async (card) => {
      card.record(column, await card.act(action));
      await card.check(); // a day ends the reader's login
    }),
  );
  announceOutcomes(steps, ({ outcomes }) => outcomes[column], sentence, done);
}

async function failEveryDatabase() {
  const column = 'failing database';
  const steps = runningCards();
  announce('Breaking every database …');
  await logInWhereMissing(steps); // visitors without a session need no database
  for (const card of steps) card.record(column);
  await Promise.all(steps.map((card) => card.act('break')));
  await until(() => steps.every(({ outcomes }) => outcomes[column]));
  await pause(DOWNTIME); // a server may answer first, and then die
  announce('Restoring every database …');
  await Promise.all(steps.map((card) => card.act('restore')));
  await startAgain(steps.filter(({ state }) => state.phase !== 'up'));
  await until(() => steps.every(({ outcomes }) => outcomes[column] !== '503'));
  announceOutcomes(
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

/** Starts steps, and waits until each shows what happened to its login. @param {StepCard[]} some */
async function startAgain(some) {
  await Promise.all(some.map((card) => card.act('start')));
  await until(() => some.every(({ state: { phase } }) => phase === 'up' || phase === 'failed'));
  await Promise.all(some.map((card) => card.check()));
}

/**
 * Announces one sentence for each outcome.
 *
 * @param {StepCard[]} some
 * @param {(card: StepCard) => string | undefined} outcomeOf cards without an outcome are left out.
 * @param {Sentence} sentence
 * @param {string} [introduction]
 */
function announceOutcomes(some, outcomeOf, sentence, introduction) {
  const sentences = [...Map.groupBy(some, outcomeOf)].map(
    ([outcome, cards]) => outcome && sentence(outcome, listSteps(cards)),
  );
  announce([introduction, ...sentences].filter(Boolean).join(' '));
}

/** In words: steps 01, 02 and 04 to 07. @param {StepCard[]} some */
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

function areStarting() {
  return [...cards.values()].some(
    ({ state: { phase } }) => phase === 'waiting' || phase === 'starting',
  );
}

function runningCards() {
  return [...cards.values()].filter(({ state }) => state.phase === 'up');
}

/** One action at a time. @param {HTMLElement} button */
async function press(button) {
  if (button.ariaDisabled === 'true') return;
  isBusy = true;
  isWelcome = false; // the reader knows what to do
  updateButtons();
  try {
    await actions[button.dataset.action ?? '']?.();
  } finally {
    isBusy = false;
    updateButtons();
  }
}

/** Enables the large buttons when they can work, and highlights the next one. */
function updateButtons() {
  const all = [...cards.values()];
  const isReady = !isBusy && !areStarting() && runningCards().length > 0;
  const hasLogin = all.some(({ username }) => username) && !all.some(({ fate }) => fate === 'lost');
  for (const button of bigButtons) {
    button.ariaDisabled = String(!isReady);
    button.classList.toggle('primary', button.dataset.action === (hasLogin ? 'crash' : 'login'));
  }
}

/** @param {string} text */
function announce(text) {
  find('#news').textContent = text;
}

/** @param {() => boolean} condition */
async function until(condition) {
  const deadline = Date.now() + OUTCOME_TIMEOUT;
  while (!condition() && Date.now() < deadline) await pause(50);
}
