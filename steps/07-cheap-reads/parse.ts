import type { SessionData } from 'express-session';

export interface Row {
  sess: string;
  expired: string;
}

/** @returns the session in a row, or null if the row holds none: then its user has to log in again. */
export function parse({ sess, expired }: Row): SessionData | null {
  try {
    const session = JSON.parse(sess);
    if (typeof session.cookie !== 'object') throw new TypeError('no cookie');
    // Each touch moves the column on, but not the date in the text.
    if (session.cookie.expires) session.cookie.expires = new Date(expired);
    return session;
  } catch {
    console.error('A row in the sessions table holds no session. It was ignored.');
    return null;
  }
}
