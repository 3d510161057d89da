// @ts-check
/// <reference lib="dom" />
import { make } from './dom.js';

/** @typedef {import('../user-data.ts').Found} Found */

/**
 * Shows a session's payload as JSON, marking each line that does not belong in it.
 *
 * @param {HTMLElement} target
 * @param {unknown} payload
 * @param {Found[]} userData what the server found in the payload.
 * @returns what does not belong in it: all user data but the id, which finds the user.
 */
export function showPayload(target, payload, userData) {
  const misplaced = userData.filter(({ what }) => what !== 'user id');
  const marks = new Map(misplaced.map(({ what, path }) => [lineOf(payload, path), what]));
  const lines = JSON.stringify(payload, null, 2).split('\n');
  target.replaceChildren(
    ...lines.map((text) => {
      const what = marks.get(text.trim().replace(/,$/, ''));
      const line = make(what ? 'mark' : 'span', text);
      line.className = 'line';
      line.style.setProperty('--depth', String(text.search(/\S/) / 2)); // indents a wrapped line
      if (what) {
        line.dataset.state = 'bad';
        const why = make('span', `↑ the ${what} does not belong here`);
        why.className = 'why';
        line.append(why);
      }
      return line;
    }),
  );
  return misplaced.map(({ what }) => what);
}

/** The line of the JSON that holds the value at a path. @param {unknown} payload @param {string[]} path */
function lineOf(payload, path) {
  const value = path.reduce((value, key) => Object(value)[key], payload);
  return `${JSON.stringify(path.at(-1))}: ${JSON.stringify(value)}`;
}
