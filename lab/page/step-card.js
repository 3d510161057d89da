// @ts-check
/// <reference lib="dom" />
import { find, make, setText } from '../../steps/shared/page/dom.js';
import { showPayload } from '../../steps/shared/page/payload.js';
import { isDown, send } from '../../steps/shared/page/server.js';

/**
 * @typedef {import('../step-runner.ts').StepState} StepState
 * @typedef {import('../../steps/shared/page/server.js').Inspection} Inspection
 * @typedef {'kept' | 'lost'} Fate
 */

/** @type {Record<NonNullable<StepState['lastEnd']>, { phase: string, action: string, column?: string }>} */
const ends = {
  SIGTERM: { phase: 'down', action: 'Restarted', column: 'after a restart' },
  SIGKILL: { phase: 'down, killed', action: 'Killed', column: 'after SIGKILL' },
  error: { phase: 'down after an error', action: 'Started again' },
  'database error': { phase: 'down: its database failed', action: 'Started again' },
};

const buttonTexts = {
  restart: 'Restart',
  crash: 'Crash',
  start: 'Start',
  break: 'Break database',
  restore: 'Restore database',
};

const failingDatabase = 'failing database';

/** The outcomes that later steps improve on. */
const problems = /hash|lost|comes back|left in|dies|opens|obeyed|unknown|^[1-9]\d*$/;

/** @type {Record<StepState['phase'], (state: StepState) => string>} */
const phaseTexts = {
  waiting: () => 'waiting to start',
  starting: () => 'starting …',
  up: ({ processId }) => `process ${processId}`,
  stopping: ({ processId }) => `process ${processId}, stopping …`,
  down: ({ lastEnd }) => ends[lastEnd ?? 'SIGTERM'].phase,
  failed: () => 'did not start',
};

/** One step: its card, its row of the table, and what happened to this browser's login. */
export class StepCard {
  /** Who is logged in to the step in this browser. @type {string | undefined} */
  username;
  /** What happened to the login when the last process ended. @type {Fate | undefined} */
  fate;
  /** What was seen so far, by the titles of the columns. @type {Record<string, string | undefined>} */
  outcomes = {};
  /** @type {StepState} */
  state;
  /** The process that answered last. @type {number | undefined} */
  #checkedProcess;
  #card = copyTemplate();
  #row = make('tr');

  /** @param {StepState} state */
  constructor(state) {
    this.state = state;
    const { step, title, columns } = state;
    this.number = step.slice(0, 2);
    this.#card.dataset.step = this.#row.dataset.step = step;
    this.#card.ariaLabel = title;
    this.#text('.eyebrow', `Step ${this.number}`);
    this.#text('h2', title);
    find('button:last-child', this.#card).hidden = state.store === 'memory';
    this.#text(
      '.place',
      `Sessions in ${{ memory: 'memory', sqlite: 'SQLite', postgresql: 'PostgreSQL' }[state.store]}`,
    );
    const link = find('a', this.#card);
    link.setAttribute('href', `${step}/`);
    link.ariaLabel = `Open its page: step ${this.number}`;
    for (const button of this.#card.querySelectorAll('button')) {
      button.addEventListener('click', () => {
        if (button.ariaDisabled !== 'true') void this.act(button.dataset.action ?? '');
      });
    }
    const name = make('th', step);
    name.scope = 'row';
    this.#row.append(name);
    for (const column of columns) {
      const cell = this.#row.insertCell();
      cell.dataset.column = column;
      cell.textContent = '–';
    }
    find('#steps').append(this.#card);
    find('#outcomes').append(this.#row);
  }

  /** Shows the state of the process. @param {StepState} state */
  show(state) {
    this.state = state;
    const { phase, error, lastEnd, isBroken } = state;
    const isUp = phase === 'up';
    this.#card.dataset.phase = phase;
    this.#text('.process', phaseTexts[phase](state)).dataset.state = isUp ? 'up' : 'down';
    this.#setButton(1, 'restart', isUp);
    if (phase === 'waiting') this.#setButton(2, 'start', false);
    else if (phase === 'down' || phase === 'failed') this.#setButton(2, 'start', true);
    else this.#setButton(2, 'crash', isUp);
    if (isBroken) this.#setButton(3, 'restore', true);
    else this.#setButton(3, 'break', isUp);
    if (lastEnd === 'database error') this.record(failingDatabase, 'the process dies');
    this.#text('.error', error ?? '');
    if (isUp) return;
    this.#text('.who', phase === 'starting' || phase === 'waiting' ? '…' : '(server down)');
    this.#showFate(undefined);
  }

  /**
   * Lets the lab do something to the step.
   *
   * @param {string} action
   * @returns {Promise<string | undefined>} the outcome, when the lab measured one.
   */
  async act(action) {
    const { body } = await send('POST', `lab/steps/${this.state.step}/${action}`);
    return body.outcome;
  }

  /** Logs this browser in. @param {{ username: string, password: string }} credentials */
  async logIn(credentials) {
    const { status } = await send('POST', `${this.state.step}/api/login`, credentials);
    if (status === 200) await this.check();
  }

  /** Asks the step who is logged in. In a new process, the response shows what happened to the login. */
  async check() {
    const { step, processId, lastEnd, isBroken } = this.state;
    const me = await send('GET', `${step}/api/me`);
    const inspected = me.status < 500 ? await send('GET', `${step}/inspect`) : me;
    if (isDown(me.status)) return; // the server ended; its state says why
    if (this.state.processId !== processId || this.state.isBroken !== isBroken) return;

    const before = { username: this.username, processId: this.#checkedProcess };
    this.#checkedProcess = processId ?? undefined;
    this.#recordFailure(me.status);
    if (inspected.status !== 200) {
      this.#text('.who', '(database unavailable)');
      return;
    }
    this.username = me.status === 200 ? me.body.username : undefined;
    this.#text('.who', this.username ?? '— (not logged in)');
    this.#showSession(inspected.body);
    const isReplaced = before.processId !== undefined && before.processId !== processId;
    if (isReplaced && before.username) {
      const fate = this.username === before.username ? 'kept' : 'lost';
      const { action, column } = ends[lastEnd ?? 'SIGTERM'];
      this.#showFate(fate, `${action}: ${before.processId} → ${processId}`);
      if (column) this.record(column, fate);
    } else if (isReplaced || this.username !== before.username) this.#showFate(undefined);
  }

  /** Fills in a cell of the table, or empties it. @param {string} column @param {string} [outcome] */
  record(column, outcome) {
    this.outcomes[column] = outcome;
    const cell = setText(`[data-column="${column}"]`, outcome ?? '–', this.#row);
    cell.dataset.mood = outcome && (problems.test(outcome) ? 'lost' : 'kept');
  }

  /** @param {number} status what /api/me answered. */
  #recordFailure(status) {
    const outcome = this.outcomes[failingDatabase];
    if (this.state.isBroken) {
      if (status >= 500) this.record(failingDatabase, String(status));
      else if (status === 200 && !outcome) this.record(failingDatabase, 'not affected');
    } else if (status === 200 && outcome === '503') this.record(failingDatabase, '503, and back');
  }

  /**
   * The buttons stay, and only what they do changes, so that the focus is never lost. The attribute
   * `disabled` would lose it, too.
   *
   * @param {number} position
   * @param {keyof typeof buttonTexts} action
   * @param {boolean} isEnabled
   */
  #setButton(position, action, isEnabled) {
    const button = this.#text(`button:nth-child(${position})`, buttonTexts[action]);
    button.dataset.action = action;
    button.ariaLabel = `${buttonTexts[action]} step ${this.number}`;
    button.ariaDisabled = String(!isEnabled);
  }

  /** @param {Fate | undefined} fate */
  #showFate(fate, detail = '') {
    this.fate = fate;
    if (fate) this.#card.dataset.fate = fate;
    else delete this.#card.dataset.fate;
    find('.fate', this.#card).replaceChildren(make('strong', fate ?? ''), detail);
  }

  /** @param {Inspection} inspection */
  #showSession({ session, userData }) {
    find('details', this.#card).hidden = !session;
    if (!session) return;
    showPayload(find('pre', this.#card), session, userData);
    this.record('user data stored', userData.map(({ what }) => what.split(' ').at(-1)).join(', '));
  }

  /** @param {string} selector @param {string} text */
  #text(selector, text) {
    return setText(selector, text, this.#card);
  }
}

function copyTemplate() {
  /** @type {HTMLTemplateElement} */
  const template = find('#card');
  return find('section', document.importNode(template.content, true));
}
