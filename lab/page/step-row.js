// @ts-check
/// <reference lib="dom" />
import { find, make, pause, setText } from '../../steps/shared/page/dom.js';
import { isDown, send } from '../../steps/shared/page/server.js';

/**
 * @typedef {import('../step-runner.ts').StepState} StepState
 * @typedef {import('../../steps/shared/page/server.js').Inspection} Inspection
 * @typedef {Record<string, import('#tools/outcomes.ts').Column>} Columns
 */

const demo = { username: 'demo', password: 'demo-password' };

/** How long, in milliseconds, the page waits for the outcome of an action. */
const OUTCOME_TIMEOUT = 15_000;

const buttonTexts = {
  restart: 'Restart',
  crash: 'Crash',
  start: 'Start',
  break: 'Break database',
  restore: 'Restore database',
};

/** How a server ended. @type {Record<NonNullable<StepState['lastEnd']>, string>} */
const ends = {
  SIGTERM: 'the server has ended',
  SIGKILL: 'the server was killed',
  error: 'the server died of an error',
  'database error': 'the server died because its database failed',
};

/** The signs of outcomes, so nobody has to see their colours. @type {Record<string, string>} */
const signs = { good: '✓', bad: '✗', neutral: '–' };

/** One step: its row of the table, and what happened to this browser's login. */
export class StepRow {
  /** Who is logged in to the step in this browser. @type {string | undefined} */
  username;
  /** The keys of the outcomes seen so far, by column. @type {Record<string, string | undefined>} */
  outcomes = {};
  /** The news of what happened to the step last; `{steps}` stands for the steps. @type {string | undefined} */
  change;
  /** @type {StepState} */
  state;
  /** The state in which the server last answered without an error, or in which the page first found it down. @type {StepState | undefined} */
  #checked;
  /** Whether the server's last response was an error. */
  #isFailing = false;
  #columns;
  #part = copyTemplate();
  #buttons = { end: make('button'), kill: make('button'), database: make('button') };

  /** @param {StepState} state @param {Columns} columns */
  constructor(state, columns) {
    this.state = state;
    this.#columns = columns;
    const { step, title, store } = state;
    this.number = step.slice(0, 2);
    this.#part.dataset.step = step;
    const details = find('.details', this.#part);
    details.id = `details-${step}`;
    find('td', details).setAttribute('colspan', String(Object.keys(columns).length + 2));
    const toggle = this.#text('.toggle', step);
    toggle.setAttribute('aria-controls', details.id);
    toggle.addEventListener('click', () => {
      details.hidden = !details.hidden;
      toggle.ariaExpanded = String(!details.hidden);
    });
    for (const column of Object.keys(columns)) {
      const cell = make('td');
      cell.dataset.column = column;
      find('.row', this.#part).append(cell);
    }
    this.#text('h2', title);
    const link = find('a', this.#part);
    link.setAttribute('href', `${step}/`);
    link.ariaLabel = `Open its page: step ${this.number}`;
    for (const button of Object.values(this.#buttons)) {
      link.before(button);
      button.className = 'small';
      button.addEventListener('click', () => {
        if (button.ariaDisabled !== 'true') void this.act(button.value);
      });
    }
    this.#buttons.database.hidden = store === 'memory';
    find('#steps').append(this.#part);
    const seen = JSON.parse(sessionStorage.getItem(step) ?? '{}');
    for (const column of Object.keys(seen)) this.record(column, seen[column]);
  }

  /** Whether the page knows who is logged in, or that the server is down. */
  get isKnown() {
    const { phase, processId } = this.state;
    if (phase === 'up') return this.#isFailing || this.#checked?.processId === processId;
    return phase !== 'starting';
  }

  get #isDown() {
    return this.state.phase === 'down' || this.state.phase === 'failed';
  }

  /** The button of the row that has to be pressed before anything else: the server is down, or its database is broken. */
  get repair() {
    if (this.state.isBroken && this.state.store !== 'memory') return 'restore';
    return this.#isDown ? 'start' : undefined;
  }

  /** The news of the step: what is going on, what has failed, or what has just changed. */
  get news() {
    const { phase, lastEnd, isBroken } = this.state;
    if (phase === 'starting') return 'Starting {steps} …';
    if (phase === 'stopping') return 'Stopping {steps} …';
    if (phase === 'failed') return 'In {steps}, the server did not start. Its row says why.';
    if (phase === 'down') {
      if (lastEnd !== 'database error')
        return `In {steps}, ${ends[lastEnd ?? 'SIGTERM']}. Start it in its row.`;
      return isBroken
        ? `In {steps}, ${ends[lastEnd]}. Restore it in its row.`
        : 'In {steps}, the database is back. Start the server in its row.';
    }
    if (this.#isFailing)
      return 'In {steps}, the database fails, and the server answers with an error.';
    if (this.repair)
      return 'In {steps}, the server made a new, empty table when it started. Restore the old one in its row.';
    return this.change;
  }

  /** Shows the state of the process. @param {StepState} state */
  show(state) {
    const { phase, error, lastEnd, isBroken } = state;
    const isUp = phase === 'up';
    const hasDied = phase === 'down' && this.state.phase !== 'down';
    if (hasDied && lastEnd === 'database error') this.record('failure', 'dies');
    this.state = state;
    if (phase === 'down') this.#checked ??= state;
    if (!isUp) this.#isFailing = false;
    const { end, kill, database } = this.#buttons;
    this.#setButton(end, 'restart', isUp);
    this.#setButton(kill, this.#isDown ? 'start' : 'crash', this.#isDown || isUp);
    this.#setButton(database, isBroken ? 'restore' : 'break', isBroken || isUp);
    this.#text('.error', error ?? '');
    this.#showCondition();
  }

  /**
   * Lets the lab do something to the step, and waits until the page has seen what it did.
   *
   * @param {string} action
   * @returns {Promise<string | undefined>} the key of the outcome, when the lab measured one.
   */
  async act(action) {
    const { body } = await send('POST', `lab/steps/${this.state.step}/${action}`);
    await until(() => this.state.changes >= (body.changes ?? 0));
    return body.outcome;
  }

  /** Logs this browser in with the demo account. */
  async logIn() {
    const { status } = await send('POST', `${this.state.step}/api/login`, demo);
    if (status === 200) await this.check();
  }

  /** Asks the step who is logged in. In a new process, the response shows what happened to the login. */
  async check() {
    const { state } = this;
    const { step, processId, isBroken } = state;
    const me = await send('GET', `${step}/api/me`);
    const inspected = me.status < 500 ? await send('GET', `${step}/inspect`) : me;
    if (isDown(me.status)) return; // the server ended; its state says why
    if (this.state.processId !== processId || this.state.isBroken !== isBroken) return;

    this.#recordFailure(me.status);
    const wasBroken = this.#isFailing || this.#checked?.isBroken;
    this.#isFailing = inspected.status !== 200;
    if (!this.#isFailing) {
      const { username } = this;
      this.username = me.status === 200 ? me.body.username : undefined;
      /** @type {Inspection} */
      const { session, userData } = inspected.body;
      const kinds = userData.map(({ what }) => what.split(' ').at(-1));
      if (session) this.record('userData', kinds.join('-'));
      if (this.#checked) this.#compare(this.#checked.processId, username, wasBroken && !isBroken);
      this.#checked = state;
    }
    this.#showCondition();
  }

  /**
   * What has changed since the last response without an error: the process, the database, or the login.
   *
   * @param {number | null} before the process that sent it.
   * @param {string | undefined} username who was logged in then.
   * @param {boolean | undefined} isRestored whether the database was broken, and no longer is.
   */
  #compare(before, username, isRestored) {
    const { processId, lastEnd } = this.state;
    const isSame = this.username === username;
    if (before !== processId) {
      const outcome = isSame ? 'still logged in' : 'logged out';
      this.change = `In {steps}, the server is back${username ? `, and you are ${outcome}` : ''}.`;
      const column = lastEnd === 'SIGKILL' ? 'crash' : 'restart';
      if (username && !lastEnd?.endsWith('error')) this.record(column, isSame ? 'kept' : 'lost');
    } else if (isRestored) {
      const login = this.username ? ', and you are still logged in' : '';
      this.change = `In {steps}, the database is back${login}.`;
    } else if (!isSame) {
      this.change = this.username ? 'You logged in to {steps}.' : 'You are logged out of {steps}.';
    }
  }

  /** Fills in a cell of the table, also for when the page is loaded again. @param {string} column @param {string} [key] */
  record(column, key) {
    this.outcomes[column] = key;
    sessionStorage.setItem(this.state.step, JSON.stringify(this.outcomes));
    const { text = '', value = 'untried' } = this.outcome(column) ?? {};
    this.#fill(`td[data-column="${column}"]`, value, signs[value] ?? '', text);
  }

  /** What the table shows in a column, once it was tried. @param {string} column */
  outcome(column) {
    const key = this.outcomes[column];
    const unexpected = { text: key, value: 'bad', news: '' };
    return key ? (this.#columns[column]?.outcomes[key] ?? unexpected) : undefined;
  }

  /** Empties a cell until its outcome is there. @param {string} column */
  awaitOutcome(column) {
    this.record(column);
    this.#fill(`td[data-column="${column}"]`, 'awaited', '…', '');
  }

  /** @param {number} status what /api/me answered. */
  #recordFailure(status) {
    const { failure } = this.outcomes;
    if (this.state.isBroken) {
      if (status >= 500) this.record('failure', String(status));
      else if (status === 200 && !failure) this.record('failure', 'none');
    } else if (status === 200 && failure === '503') this.record('failure', 'survives');
  }

  /** Shows whether the server runs, and who is logged in. The conditions differ in sign, colour and words. */
  #showCondition() {
    const { phase, processId, lastEnd } = this.state;
    const process = `process ${processId}`;
    const login = this.username ? ['good', '●', 'logged in'] : ['neutral', '○', 'logged out'];
    const failing = ['failing', '▲', 'database fails', `${process}; its database fails`];
    const [state = '', sign = '', now = '', server = process] = {
      starting: ['awaited', '◌', 'starting …', 'starting …'],
      stopping: ['awaited', '◌', 'stopping …', `${process}, stopping …`],
      down: ['bad', '■', 'server down', `down: ${ends[lastEnd ?? 'SIGTERM']}`],
      failed: ['bad', '■', 'did not start', 'did not start'],
      up: this.#isFailing ? failing : this.isKnown ? login : ['awaited', '◌', '…'],
    }[phase];
    this.#fill('.now', state, sign, now);
    this.#text('.process', server);
  }

  /** @param {string} selector @param {string} state @param {string} sign @param {string} text */
  #fill(selector, state, sign, text) {
    Object.assign(this.#text(selector, text).dataset, { state, sign });
  }

  /**
   * The buttons stay, and only what they do changes, so the focus is never lost. The attribute
   * `disabled` would lose it, too.
   *
   * @param {HTMLButtonElement} button
   * @param {keyof typeof buttonTexts} action
   * @param {boolean} isEnabled
   */
  #setButton(button, action, isEnabled) {
    button.value = action;
    button.textContent = buttonTexts[action];
    button.ariaLabel = `${button.textContent} step ${this.number}`;
    button.ariaDisabled = String(!isEnabled);
    button.classList.toggle('primary', action === this.repair);
  }

  /** @param {string} selector @param {string} text */
  #text(selector, text) {
    return setText(selector, text, this.#part);
  }
}

/** @param {() => boolean} condition */
export async function until(condition) {
  const deadline = Date.now() + OUTCOME_TIMEOUT;
  while (!condition() && Date.now() < deadline) await pause(50);
}

function copyTemplate() {
  /** @type {HTMLTemplateElement} */
  const template = find('#step');
  return find('tbody', document.importNode(template.content, true));
}
