// @ts-check
/// <reference lib="dom" />

// How the page talks to the server. All addresses are relative, because the lab serves the page below a path.

/** @typedef {import('../dev-routes.ts').Inspection} Inspection */

/** How long, in milliseconds, a server may take to show that it is up. */
const PROBE_TIMEOUT = 1500;

/**
 * Finds out whether the server is up, and which process it is. Sends no cookie, so polling never prolongs a
 * session.
 *
 * @returns {Promise<{ condition: 'up' | 'failing' | 'down', inspection?: Inspection }>} `failing`: the server
 *   is up, but its database is not. In production, there is no inspection.
 */
export async function probe() {
  const { status, body } = await send('GET', 'inspect', undefined, {
    credentials: 'omit',
    signal: AbortSignal.timeout(PROBE_TIMEOUT),
  });
  if (isDown(status)) return { condition: 'down' };
  if (status >= 500) return { condition: 'failing' };
  return { condition: 'up', ...(status === 200 && { inspection: body }) };
}

/** Whether a status means that the server is down: the lab's proxy then answers 502 in its place. @param {number} status */
export function isDown(status) {
  return status === 0 || status === 502;
}

/**
 * Sends a request with this browser's cookie.
 *
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path
 * @param {object} [content] is sent as JSON.
 * @param {RequestInit} [options]
 * @returns {Promise<{ status: number, body: any }>} status 0 when there was no response.
 */
export async function send(method, path, content, options) {
  try {
    const response = await fetch(path, {
      method,
      cache: 'no-store',
      ...(content && {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(content),
      }),
      ...options,
    });
    const text = await response.text();
    return { status: response.status, body: text && JSON.parse(text) };
  } catch {
    return { status: 0, body: { error: 'The server does not respond. Is it running?' } };
  }
}
