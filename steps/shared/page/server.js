// @ts-check
/// <reference lib="dom" />

// How the page talks to the server. All addresses are relative: the page may lie below a path.

/**
 * @typedef {import('./payload.js').Found} Found
 * @typedef {{ name: string, value: string }} Cookie
 * @typedef {object} Memory What `GET /inspect` answers.
 * @property {string} step
 * @property {string} title
 * @property {number} processId
 * @property {string} startedAt
 * @property {{ name: string, table: string | null, sessions: number }} store
 * @property {Cookie | null} cookie
 * @property {string | null} sessionId
 * @property {{ cookie?: { originalMaxAge?: number | null } } | null} session
 * @property {{ table: string, sid: string, expired: string } | null} row
 * @property {Found[]} userData
 */

/** How long, in milliseconds, a server may take to say that it is there. */
const PATIENCE = 1500;

/**
 * Is the server there, and which process is it? Asked without a cookie: however often the page asks, it
 * never prolongs a session.
 *
 * @returns {Promise<Memory | 'silent' | 'failing' | 'down'>} `silent` is a server in production: it is
 *   there, and does not tell what it remembers. `failing` is one whose database does not answer.
 */
export async function look() {
  try {
    const response = await fetch('inspect', {
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE),
    });
    // Between this page and a server that is down, a proxy may answer in its place.
    if (response.status === 502 || response.status === 504) return 'down';
    if (response.status >= 500) return 'failing';
    return response.ok ? await response.json() : 'silent';
  } catch {
    return 'down';
  }
}

/**
 * What the server remembers about this browser.
 *
 * @returns {Promise<Memory | undefined>} undefined when it does not tell.
 */
export async function remembered() {
  const { status, body } = await ask('GET', 'inspect');
  return status === 200 ? body : undefined;
}

/**
 * Sends a request with the cookie of this browser.
 *
 * @param {'GET' | 'POST'} method
 * @param {string} path
 * @param {object} [content] is sent as JSON.
 * @returns {Promise<{ status: number, body: any }>} status 0 when there was no answer.
 */
export async function ask(method, path, content) {
  try {
    const response = await fetch(path, {
      method,
      cache: 'no-store',
      ...(content && {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(content),
      }),
    });
    const text = await response.text();
    return { status: response.status, body: text && JSON.parse(text) };
  } catch {
    return { status: 0, body: { error: 'The server does not answer. Is it running?' } };
  }
}
