// @ts-check
/// <reference lib="dom" />
import { showPayload } from '../../steps/shared/page/payload.js';
import { ask } from '../../steps/shared/page/server.js';

/**
 * @typedef {import('../step-runner.ts').StepState} StepState
 * @typedef {import('../../steps/shared/page/server.js').Memory} Memory
 * @typedef {'kept' | 'lost'} Fate
 */

const ends = { SIGTERM: 'down', SIGKILL: 'down, killed', error: 'down, died of an error' };

const phases = {
  starting: () => 'starting …',
  up: (/** @type {StepState} */ { processId }) => `process ${processId}`,
  stopping: (/** @type {StepState} */ { processId }) => `process ${processId}, ending …`,
  down: (/** @type {StepState} */ { lastEnd }) => ends[lastEnd ?? 'SIGTERM'],
  failed: () => 'did not start',
};

/** One step: its card, its row of the table, and what this browser's login there has come to. */
export class StepCard {
  /** Who the step knows this browser as. @type {string | undefined} */
  username;
  /** What became of the login when the process before this one ended. @type {Fate | undefined} */
  fate;
  /** What the store did with sessions that expired. @type {'deleted' | 'left in the store' | undefined} */
  expired;
  /** @type {StepState} */
  state;
  /** The process that was asked last. @type {number | undefined} */
  #asked;
  /** Whether its sessions lie in a table, which can be taken away. */
  #hasTable = false;
  #card = instance();
  #row = document.createElement('tr');

  /** @param {StepState} state */
  constructor(state) {
    this.state = state;
    const { step, title } = state;
    this.number = step.slice(0, 2);
    this.#card.dataset.step = this.#row.dataset.step = step;
    this.#text('.eyebrow', `Step ${this.number}`);
    const heading = this.#text('h2', title);
    heading.id = `heading-${this.number}`;
    this.#card.setAttribute('aria-labelledby', heading.id);
    const link = this.#card.querySelector('a');
    link?.setAttribute('href', `${step}/`);
    link?.setAttribute('aria-label', `Open its page: step ${this.number}`);
    for (const button of this.#card.querySelectorAll('button')) {
      button.setAttribute('aria-label', `${button.textContent} step ${this.number}`);
      button.addEventListener('click', () => {
        if (button.ariaDisabled !== 'true') void this.act(button.dataset.action ?? '');
      });
    }
    this.#row.innerHTML = '<th scope="row"></th><td></td><td></td><td></td><td></td>';
    const columns = [...document.querySelectorAll('thead th')].map((head) => head.textContent);
    for (const [index, cell] of [...this.#row.cells].entries()) {
      cell.textContent = index === 0 ? step : '–';
      cell.dataset.column = columns[index] ?? '';
    }
    document.getElementById('steps')?.append(this.#card);
    document.getElementById('seen')?.append(this.#row);
    this.show(state);
  }

  /** Shows the state of the process. @param {StepState} state */
  show(state) {
    this.state = state;
    const { phase, error, lastEnd } = state;
    this.#card.dataset.phase = phase;
    this.#card.toggleAttribute('data-fresh', phase === 'down' && lastEnd === null);
    const lamp = phase === 'up' ? 'up' : phase === 'starting' ? 'unknown' : 'down';
    this.#text('.process', phases[phase](state)).dataset.state = lamp;
    this.#text('.error', error ?? '').hidden = !error;
    for (const button of this.#card.querySelectorAll('button')) {
      const { action } = button.dataset;
      if (action === 'break') button.hidden = !this.#hasTable || state.isBroken;
      if (action === 'mend') button.hidden = !state.isBroken;
      if (action === 'break' || action === 'mend') continue;
      const wants = action === 'start' ? ['down', 'failed'] : ['up'];
      // Not the attribute disabled: a button that has the focus would lose it.
      button.ariaDisabled = String(!wants.includes(phase));
    }
    if (phase !== 'up') {
      this.#text('.who', phase === 'starting' ? '…' : 'nobody answers');
      this.#showFate(undefined);
    }
  }

  /** @returns whether it is clear what came of the last thing that happened to the process. */
  get isSettled() {
    const { phase, processId } = this.state;
    return phase === 'up' ? processId === this.#asked : phase === 'down' || phase === 'failed';
  }

  /** Starts, restarts or crashes the step. @param {string} action */
  async act(action) {
    await ask('POST', `lab/steps/${this.state.step}/${action}`);
  }

  /** Lets a day pass for the step: its sessions expire, and `expired` is what became of them. */
  async passDay() {
    this.expired = undefined;
    const { status, body } = await ask('POST', `lab/steps/${this.state.step}/day`);
    if (status !== 200) return;
    await this.check();
    if (body.before === 0) return;
    this.expired = body.after === 0 ? 'deleted' : 'left in the store';
    this.#fill(4, this.expired);
  }

  /** Logs this browser in. @param {{ username: string, password: string }} credentials */
  async logIn(credentials) {
    const { status } = await ask('POST', `${this.state.step}/api/login`, credentials);
    if (status === 200) await this.check();
  }

  /**
   * Asks the step who it thinks this browser is. When it is another process than last time, that shows
   * what became of the login.
   *
   * @returns {Promise<Fate | undefined>} that, or undefined when there was nothing to keep or to lose.
   */
  async check() {
    const { step, processId, lastEnd } = this.state;
    const inspected = await ask('GET', `${step}/inspect`);
    const isFailing = inspected.status === 500 || inspected.status === 503; // the server's own answer
    if (isFailing && this.state.phase === 'up') {
      this.#text('.who', 'it cannot tell');
      this.#asked = processId ?? undefined;
    }
    if (inspected.status !== 200) return undefined;
    /** @type {Memory} */
    const memory = inspected.body;
    const me = memory.session ? await ask('GET', `${step}/api/me`) : { status: 401, body: {} };
    if ((me.status !== 200 && me.status !== 401) || this.state.processId !== processId) return;

    const before = { username: this.username, processId: this.#asked };
    this.username = me.status === 200 ? me.body.username : undefined;
    this.#asked = processId ?? undefined;
    const isReplaced = before.processId !== undefined && before.processId !== processId;
    this.#text('.who', this.username ?? 'nobody it knows');
    this.#showMemory(memory);
    if (isReplaced && before.username) {
      const fate = this.username === before.username ? 'kept' : 'lost';
      const how = lastEnd === 'SIGKILL' ? 'Killed' : 'Restarted';
      this.#showFate(fate, `${how}: ${before.processId} → ${processId}`);
      this.#fill(lastEnd === 'SIGKILL' ? 2 : 1, fate).dataset.fate = fate;
      return fate;
    }
    if (isReplaced || this.username !== before.username) this.#showFate(undefined);
    return undefined;
  }

  /** @param {Fate | undefined} fate */
  #showFate(fate, how = '') {
    this.fate = fate;
    if (fate) this.#card.dataset.fate = fate;
    else delete this.#card.dataset.fate;
    const word = document.createElement('strong');
    word.textContent = fate ?? '';
    const place = this.#find('.fate');
    place.replaceChildren(word, how);
    place.hidden = !fate;
  }

  /** @param {Memory} memory */
  #showMemory({ store, session, userData }) {
    this.#hasTable = store.table !== null;
    this.show(this.state);
    const place = store.table ? `the table ${store.table}` : 'the memory of the process';
    this.#text('.place', place);
    const details = this.#card.querySelector('details');
    if (details) details.hidden = !session;
    const payload = this.#card.querySelector('pre');
    if (!session || !payload) return;
    showPayload(payload, session, userData);
    this.#fill(3, userData.map(({ what }) => what).join(', '));
  }

  /** Fills in a cell of the table. @param {number} column @param {string} text */
  #fill(column, text) {
    const cell = this.#row.cells[column];
    if (!cell) throw new Error(`The table has no column ${column}.`);
    cell.textContent = text;
    return cell;
  }

  /** @param {string} selector @param {string} text */
  #text(selector, text) {
    const found = this.#find(selector);
    if (found.textContent !== text) found.textContent = text;
    return found;
  }

  /** @param {string} selector */
  #find(selector) {
    const found = this.#card.querySelector(selector);
    if (!(found instanceof HTMLElement)) throw new Error(`The card has no ${selector}.`);
    return found;
  }
}

/** A new card, from the template in the page. */
function instance() {
  const template = document.getElementById('card');
  const card = template instanceof HTMLTemplateElement ? template.content.firstElementChild : null;
  const copy = card?.cloneNode(true);
  if (!(copy instanceof HTMLElement)) throw new Error('The page has no card.');
  return copy;
}
