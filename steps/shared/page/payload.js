// @ts-check
/// <reference lib="dom" />

/** @typedef {{ what: string, path: string[] }} Found */

/**
 * What of the user should not lie in a session: all but the id, which is needed to find the user.
 *
 * @param {Found[]} userData what the server found in the payload.
 */
export function misplaced(userData) {
  return userData.filter(({ what }) => what !== 'user id');
}

/**
 * Shows a session's payload as JSON, with a mark on each line that should not be in it.
 *
 * @param {HTMLElement} target
 * @param {unknown} payload
 * @param {Found[]} userData
 */
export function showPayload(target, payload, userData) {
  const marks = new Map(misplaced(userData).map(({ what, path }) => [JSON.stringify(path), what]));
  target.replaceChildren(
    ...lines(payload).map(({ text, path, depth }) => {
      const what = marks.get(JSON.stringify(path));
      const line = document.createElement(what ? 'mark' : 'span');
      line.className = 'line';
      line.textContent = text;
      line.style.setProperty('--depth', String(depth)); // where a long line goes on
      if (what) {
        const why = document.createElement('span');
        why.className = 'why';
        why.textContent = `↑ the ${what} does not belong here`;
        line.append(why);
      }
      return line;
    }),
  );
}

/**
 * The lines of pretty-printed JSON, each with the path of the value that begins on it.
 *
 * @param {unknown} value
 * @param {string[]} path
 * @param {string} before what stands before the value: its key.
 * @param {string} after what stands after it: a comma, unless it is the last.
 * @returns {{ text: string, path: string[], depth: number }[]}
 */
function lines(value, path = [], before = '', after = '') {
  const depth = path.length;
  const indent = '  '.repeat(depth);
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) {
    return [{ text: `${indent}${before}${JSON.stringify(value)}${after}`, path, depth }];
  }
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const entries = Object.entries(value);
  return [
    { text: `${indent}${before}${open}`, path, depth },
    ...entries.flatMap(([key, inner], index) => {
      const name = Array.isArray(value) ? '' : `${JSON.stringify(key)}: `;
      return lines(inner, [...path, key], name, index < entries.length - 1 ? ',' : '');
    }),
    { text: `${indent}${close}${after}`, path: [], depth },
  ];
}
