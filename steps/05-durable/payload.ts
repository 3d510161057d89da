import type { SessionData } from 'express-session';

const DAY = 24 * 60 * 60 * 1000; // in milliseconds

/** @returns the session in a row. A row that holds none is logged: its user has to log in again, no more. */
export function parse(sess: unknown): SessionData | null {
  try {
    const session = typeof sess === 'string' ? JSON.parse(sess) : sess;
    if (typeof session?.cookie === 'object' && session.cookie) return session;
  } catch {} // not JSON
  console.error('A row in the sessions table holds no session. It was ignored.');
  return null;
}

/** What the application keeps in a session: all but the cookie, as express-session sees it. */
export function dataOf(session: SessionData): string {
  return JSON.stringify({ ...session, cookie: undefined });
}

/** When a session ends, in milliseconds. One whose cookie ends with the browser has a day. */
export function expiryOf({ cookie }: SessionData): number {
  return cookie.expires ? new Date(cookie.expires).getTime() : Date.now() + DAY;
}

/** Text of a fixed width, which SQLite compares as it is, by the index: earlier is less. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}
