// @ts-check
/// <reference lib="dom" />
import { find, make, setText } from '../../steps/shared/page/dom.js';
import { showPayload } from '../../steps/shared/page/payload.js';
import { isDown, send } from '../../steps/shared/page/server.js';

/**
 * @typedef {import('../step-runner.ts').StepState} StepState
 * @typedef {import('../../steps/shared/page/server.js').Inspection} Inspection
 * @typedef {'waiting' | 'in' | 'out' | 'failing' | 'down'} Condition
 */

/** @type {Record<NonNullable<StepState['lastEnd']>, { phase: string, action: string, column?: string }>} */
const ends = {
  SIGTERM: { phase: 'down', action: 'Restarted', column: 'after a restart' },
  SIGKILL: { phase: 'down, killed', action: 'Killed', column: 'after SIGKILL' },
  error: { phase: 'down after an error', action: 'Started again' },
  'database error': { phase: 'down: its database failed', action: 'Started again' },
};

const places = { memory: 'memory', sqlite: 'SQLite', postgresql: 'PostgreSQL' };

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
/** Which sign and colour the outcomes have that are neither good nor bad. @type {Record<string, string>} */
const moods = { 'no table': 'none', 'not affected': 'none', 503: 'awaited' };

/** One step: its row of the table, and what happened to this browser's login. */
export class StepRow {
  /** Who is logged in to the step in this browser. @type {string | undefined} */
  username;
  /** What happened to the login when the last process ended. @type {'kept' | 'lost' | undefined} */
  fate;
  /** What was seen so far, by the titles of the columns. @type {Record<string, string | undefined>} */
  outcomes = {};
  /** What the row's own buttons are doing. @type {string | undefined} */
  doing;
  /** What happened to the step last: a name of a sentence in lab.js. @type {string | undefined} */
  change;
  /** How often an error ended the server. */
  #deaths = 0;
  /** @type {StepState} */
  state;
  /** The state in which the server answered last. @type {StepState | undefined} */
  #checked;
  /** Whether the server's last response was an error. */
  #isFailing = false;
  #part = copyTemplate();

  /**
   * @param {StepState} state
   * @param {(row: StepRow, action: string) => void} press is called when a button of the row is pressed.
   */
  constructor(state, press) {
    this.state = state;
    const { step, title, store, columns } = state;
    this.number = step.slice(0, 2);
    this.#part.dataset.step = step;
    const details = find('.details', this.#part);
    details.id = `details-${step}`;
    find('td', details).setAttribute('colspan', String(columns.length + 2));
    const toggle = this.#text('.toggle', step);
    toggle.setAttribute('aria-controls', details.id);
    toggle.addEventListener('click', () => {
      details.hidden = !details.hidden;
      toggle.ariaExpanded = String(!details.hidden);
      this.#part.toggleAttribute('data-open', !details.hidden);
    });
    for (const [index, column] of columns.entries()) {
      const word = make('span');
      word.className = 'word';
      const cell = make('td', word);
      cell.dataset.column = column;
      cell.style.setProperty('--index', String(index));
      find('.row', this.#part).append(cell);
    }
    this.#text('h2', title);
    this.#text('.place', places[store]);
    const link = find('a', this.#part);
    link.setAttribute('href', `${step}/`);
    link.ariaLabel = `Open its page: step ${this.number}`;
    const buttons = this.#part.querySelectorAll('button:not(.toggle)');
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (buttons)) {
      button.addEventListener('click', () => {
        if (button.ariaDisabled !== 'true') press(this, button.dataset.action ?? '');
      });
    }
    find('button:nth-child(3)', this.#part).hidden = store === 'memory';
    this.#showSession({});
    find('#steps').append(this.#part);
    const seen = JSON.parse(sessionStorage.getItem(step) ?? '{}');
    for (const column of Object.keys(seen)) this.record(column, seen[column]);
  }

  /** Whether the page knows who is logged in, or that the server is down. */
  get isKnown() {
    const { phase, processId } = this.state;
    if (phase === 'up') return this.#checked?.processId === processId;
    return phase !== 'waiting' && phase !== 'starting';
  }

  /** The button of the row that has to be pressed before anything else: the server is down, or its database is broken. */
  get repair() {
    const { phase, isBroken } = this.state;
    if (isBroken && this.state.store !== 'memory') return 'restore';
    return phase === 'down' || phase === 'failed' ? 'start' : undefined;
  }

  /** The news of the step: the name of a sentence in lab.js. */
  get news() {
    const { phase, lastEnd } = this.state;
    if (this.doing) return this.doing;
    if (phase === 'waiting' || phase === 'starting') return 'start';
    if (phase === 'stopping') return 'stop';
    if (phase === 'failed') return 'failed';
    if (phase === 'down') {
      if (lastEnd === 'database error' && !this.state.isBroken) return 'repaired';
      const isAgain = lastEnd?.includes('error') && this.#deaths > 1;
      return isAgain ? `${lastEnd} again` : `${lastEnd}`;
    }
    if (this.#isFailing) return 'failing';
    return this.repair ? 'replaced' : this.change;
  }

  /** Shows the state of the process. @param {StepState} state */
  show(state) {
    const { phase, error, lastEnd, isBroken } = state;
    const isUp = phase === 'up';
    if (phase === 'down' && this.state.phase !== 'down' && lastEnd?.includes('error')) {
      this.#deaths += 1;
      if (lastEnd === 'database error') this.record(failingDatabase, 'the process dies');
    }
    this.state = state;
    if (!isUp) this.#isFailing = false;
    this.#setButton(1, 'restart', isUp);
    if (phase === 'down' || phase === 'failed') this.#setButton(2, 'start', true);
    else this.#setButton(2, 'crash', isUp);
    if (isBroken) this.#setButton(3, 'restore', true);
    else this.#setButton(3, 'break', isUp);
    this.#text('.error', error ?? '');
    if (!isUp) this.#showFate(undefined);
    this.#showCondition();
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
    const { state } = this;
    const { step, processId, isBroken } = state;
    const me = await send('GET', `${step}/api/me`);
    const inspected = me.status < 500 ? await send('GET', `${step}/inspect`) : me;
    if (isDown(me.status)) return; // the server ended; its state says why
    if (this.state.processId !== processId || this.state.isBroken !== isBroken) return;

    this.#recordFailure(me.status);
    this.#isFailing = inspected.status !== 200;
    const { username } = this;
    const before = this.#checked;
    this.#checked = state;
    if (!this.#isFailing) {
      this.username = me.status === 200 ? me.body.username : undefined;
      this.#showSession(inspected.body);
    }
    this.#showCondition();
    if (before && !this.#isFailing) this.#compare(before, username);
  }

  /**
   * What has changed since the last response: the process, the database, or the login.
   *
   * @param {StepState} before
   * @param {string | undefined} username who was logged in then.
   */
  #compare(before, username) {
    const { processId, lastEnd, isBroken } = this.state;
    const isSame = this.username === username;
    if (before.processId !== processId) {
      const { action, column } = ends[lastEnd ?? 'SIGTERM'];
      const fate = username && (isSame ? 'kept' : 'lost');
      this.change = fate || 'back';
      this.#showFate(fate || undefined, `${action}: ${before.processId} → ${processId}`);
      if (fate && column) this.record(column, fate);
    } else if (before.isBroken && !isBroken) {
      this.change = this.username ? 'restored' : 'restored, logged out';
    } else if (!isSame) {
      this.change = this.username ? 'in' : 'out';
      this.#showFate(undefined);
    }
  }

  /** Fills in a cell of the table, also for when the page is loaded again. @param {string} column @param {string} [outcome] */
  record(column, outcome) {
    this.outcomes[column] = outcome;
    sessionStorage.setItem(this.state.step, JSON.stringify(this.outcomes));
    const cell = find(`td[data-column="${column}"]`, this.#part);
    setText('.word', outcome ?? '', cell);
    cell.title = outcome ? `${column}: ${outcome}` : '';
    cell.dataset.mood = moodOf(outcome);
  }

  /** Empties a cell until its outcome is there. @param {string} column */
  awaitOutcome(column) {
    this.record(column);
    find(`td[data-column="${column}"]`, this.#part).dataset.mood = 'awaited';
  }

  /** @param {number} status what /api/me answered. */
  #recordFailure(status) {
    const outcome = this.outcomes[failingDatabase];
    if (this.state.isBroken) {
      if (status >= 500) this.record(failingDatabase, String(status));
      else if (status === 200 && !outcome) this.record(failingDatabase, 'not affected');
    } else if (status === 200 && outcome === '503') this.record(failingDatabase, '503, and back');
  }

  /** What is left of the sessions while the server is down. */
  get #afterTheEnd() {
    return this.state.store === 'memory'
      ? 'The sessions ended with the server.'
      : 'The server is down, but the rows are still in the database.';
  }

  /** Shows whether the server runs, and who is logged in. */
  #showCondition() {
    const { phase, processId, lastEnd } = this.state;
    const process = `process ${processId}`;
    const [condition, now, server] = /** @type {[Condition, string, string]} */ (
      {
        waiting: ['waiting', 'starting …', 'starting …'],
        starting: ['waiting', 'starting …', 'starting …'],
        stopping: ['waiting', 'stopping …', `${process}, stopping …`],
        down: ['down', 'server down', ends[lastEnd ?? 'SIGTERM'].phase],
        failed: ['down', 'did not start', 'did not start'],
        up: this.#isFailing
          ? ['failing', 'database fails', `${process}; its database fails`]
          : !this.isKnown
            ? ['waiting', '…', process]
            : [this.username ? 'in' : 'out', `logged ${this.username ? 'in' : 'out'}`, process],
      }[phase]
    );
    this.#part.dataset.condition = condition;
    this.#text('.now', now);
    this.#text('.process', server);
    const who = this.username ?? 'nobody';
    const isReadable = condition === 'in' || condition === 'out';
    this.#text('.who', isReadable ? who : `(${now})`);
    if (!isReadable)
      this.#showSession({}, condition === 'down' ? this.#afterTheEnd : `Cannot be read: ${now}.`);
  }

  /**
   * The buttons stay, and only what they do changes, so the focus is never lost. The attribute
   * `disabled` would lose it, too.
   *
   * @param {number} position
   * @param {keyof typeof buttonTexts} action
   * @param {boolean} isEnabled
   */
  #setButton(position, action, isEnabled) {
    const button = this.#text(`.buttons button:nth-child(${position})`, buttonTexts[action]);
    button.dataset.action = action;
    button.ariaLabel = `${buttonTexts[action]} step ${this.number}`;
    button.ariaDisabled = String(!isEnabled);
    button.classList.toggle('primary', action === this.repair);
  }

  /** @param {'kept' | 'lost' | undefined} fate */
  #showFate(fate, detail = '') {
    this.fate = fate;
    const shown = find('.fate', this.#part);
    shown.dataset.mood = fate ?? '';
    shown.replaceChildren(...(fate ? [make('strong', fate), ` ${detail}`] : []));
  }

  /** @param {Partial<Inspection>} inspection */
  #showSession({ session, row, userData = [] }, otherwise = 'You have no session here.') {
    find('.payload', this.#part).hidden = !session;
    this.#text('.place-of-row', session ? placeOf(row) : otherwise);
    if (!session) return;
    showPayload(find('pre', this.#part), session, userData);
    this.record('user data stored', userData.map(({ what }) => what.split(' ').at(-1)).join(', '));
  }

  /** @param {string} selector @param {string} text */
  #text(selector, text) {
    return setText(selector, text, this.#part);
  }
}

/** @param {Inspection['row'] | undefined} row */
function placeOf(row) {
  if (!row) return 'In the memory of the server:';
  return `A row of the ${row.table} table: sid is ${row.sid}, expired (when it ends) is ${row.expired}, and sess is:`;
}

/** @param {string | undefined} outcome */
function moodOf(outcome) {
  if (!outcome) return '';
  return moods[outcome] ?? (problems.test(outcome) ? 'lost' : 'kept');
}

function copyTemplate() {
  /** @type {HTMLTemplateElement} */
  const template = find('#step');
  return find('tbody', document.importNode(template.content, true));
}
