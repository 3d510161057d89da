// @ts-check
/// <reference lib="dom" />
import { StepCard } from './step-card.js';

/** @typedef {import('../step-runner.ts').StepState} StepState */

const demo = { username: 'demo', password: 'demo-password' };

/** How long, in milliseconds, crashed steps stay down, so that one can see it. */
const PAUSE = 800;

const loginButton = element('log-in-everywhere');
const crashButton = element('crash-everything');
const dayButton = element('pass-day');

/** @type {Map<string, StepCard>} */
const cards = new Map();
/** Whether one of the large buttons is at work. It will tell what came of it. */
let isBusy = false;

const events = new EventSource('lab/events');
events.addEventListener('message', ({ data }) => {
  /** @type {StepState[]} */
  const states = JSON.parse(data);
  for (const state of states) void show(state);
  offer();
});
events.addEventListener('error', () => {
  announce('The lab has ended. Type npm start in its terminal, and this page goes on.');
});
loginButton.addEventListener('click', () => void press(loginButton, logInEverywhere));
crashButton.addEventListener('click', () => void press(crashButton, crashEverything));
dayButton.addEventListener('click', () => void press(dayButton, passDay));
// Meanwhile somebody may have logged in or out on the page of a step.
window.addEventListener('focus', () => {
  for (const card of cards.values()) if (card.state.phase === 'up') void card.check().then(offer);
});

/** @param {StepState} state */
async function show(state) {
  const known = cards.get(state.step);
  const card = known ?? new StepCard(state);
  const before = known?.state;
  cards.set(state.step, card);
  card.show(state);
  if (before && before.isBroken !== state.isBroken) return afterFault(card);
  if (before?.phase === state.phase && before.processId === state.processId) return;
  if (state.phase === 'up') {
    const fate = await card.check();
    offer();
    if (!isBusy && fate) announce(verdict(card));
  } else if (!isBusy && before && state.phase === 'down') {
    announce(
      state.lastEnd === 'error'
        ? `The server of step ${card.number} died of an error.`
        : `Step ${card.number} is down.`,
    );
  }
  if (!isBusy && isFresh() && [...cards.values()].every(({ isSettled }) => isSettled)) {
    announce('Log in everywhere. Then crash everything.');
  }
}

/**
 * Asks a step whose database was broken or mended, as any visitor would. One that cannot bear it dies of
 * the question.
 *
 * @param {StepCard} card
 */
async function afterFault(card) {
  const { number, state } = card;
  if (state.phase !== 'up') return;
  await card.check();
  if (card.state.phase !== 'up') return;
  if (state.isBroken)
    announce(`The database of step ${number} fails. Its server says so, and goes on.`);
  else if (card.username) {
    announce(`The database of step ${number} is back, and you are still logged in.`);
  } else announce(`The database of step ${number} is back.`);
}

async function logInEverywhere() {
  const up = [...cards.values()].filter(({ state }) => state.phase === 'up');
  await Promise.all(up.map((card) => card.logIn(demo)));
  const known = up.filter(({ username }) => username);
  announce(`Logged in to ${steps(known)} as ${demo.username}. Now crash everything.`);
}

async function crashEverything() {
  const up = [...cards.values()].filter(({ state }) => state.phase === 'up');
  const hadLogin = up.some(({ username }) => username);
  await Promise.all(up.map((card) => card.act('crash')));
  announce('All of them are down.');
  await pause(PAUSE);
  announce('They start again …');
  await Promise.all(up.map((card) => card.act('start')));
  while (!up.every(({ isSettled }) => isSettled)) {
    await pause(100);
    // A question that came too early for a server was lost: it is asked again.
    const silent = up.filter(({ isSettled, state }) => !isSettled && state.phase === 'up');
    await Promise.all(silent.map((card) => card.check()));
  }
  const lost = up.filter(({ fate }) => fate === 'lost');
  const kept = up.filter(({ fate }) => fate === 'kept');
  if (!hadLogin) announce('They are back. You were not logged in, so nothing was lost.');
  else {
    const parts = [
      ...(lost.length > 0 ? [`You are logged out of ${steps(lost)}.`] : []),
      ...(kept.length > 0 ? [`You are still logged in to ${steps(kept)}.`] : []),
    ];
    announce(parts.join(' '));
  }
}

async function passDay() {
  const up = [...cards.values()].filter(({ state }) => state.phase === 'up');
  announce('A day passes …');
  await Promise.all(up.map((card) => card.passDay()));
  const left = up.filter(({ expired }) => expired === 'left in the store');
  const deleted = up.filter(({ expired }) => expired === 'deleted');
  const parts = [
    'A day has passed, and everybody is logged out.',
    ...(deleted.length > 0 ? [`The expired sessions are deleted in ${steps(deleted)}.`] : []),
    ...(left.length > 0 ? [`They are still stored in ${steps(left)}.`] : []),
  ];
  announce(
    parts.length > 1 ? parts.join(' ') : 'A day has passed. There was no session to expire.',
  );
}

/** @param {StepCard} card */
function verdict({ number, fate, username }) {
  return fate === 'kept'
    ? `Step ${number} is back, and still knows you as ${username}.`
    : `Step ${number} is back, and no longer knows you.`;
}

/** In words: steps 01, 02 and 03. @param {StepCard[]} some */
function steps(some) {
  const numbers = some.map(({ number }) => number);
  const last = numbers.pop() ?? 'none';
  return numbers.length > 0 ? `steps ${numbers.join(', ')} and ${last}` : `step ${last}`;
}

/** Nobody has logged in yet. */
function isFresh() {
  return [...cards.values()].every(({ username, fate }) => !username && !fate);
}

/** One thing at a time. @param {HTMLElement} button @param {() => Promise<void>} action */
async function press(button, action) {
  if (button.ariaDisabled === 'true') return;
  isBusy = true;
  offer();
  try {
    await action();
  } finally {
    isBusy = false;
    offer();
  }
}

/** Lets one press what can be done now, and brings forward what leads on. */
function offer() {
  const all = [...cards.values()];
  const isReady =
    !isBusy &&
    all.some(({ state }) => state.phase === 'up') &&
    !all.some(({ state }) => state.phase === 'starting');
  for (const button of [loginButton, crashButton, dayButton]) {
    button.ariaDisabled = String(!isReady);
  }
  const isKnown = all.some(({ username }) => username) && !all.some(({ fate }) => fate === 'lost');
  loginButton.classList.toggle('primary', !isKnown);
  crashButton.classList.toggle('primary', isKnown);
}

/** @param {string} text */
function announce(text) {
  element('news').textContent = text;
}

/** @param {number} duration in milliseconds */
function pause(duration) {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no ${id}.`);
  return found;
}
