import type { SessionData } from 'express-session';

export interface Row {
  sess: string;
  expired: string;
}

/** @returns the session in a row, or null if the row is corrupt: then its user has to log in again. */
export function parse({ sess, expired }: Row): SessionData | null {
  try {
    const session = JSON.parse(sess);
    if (typeof session.cookie !== 'object') throw new TypeError('no cookie');
    // The column says when the session ends. The date in the text may be older.
    if (session.cookie.expires) session.cookie.expires = new Date(expired);
    return session;
  } catch {
    console.error('Ignored a corrupt row in the sessions table.');
    return null;
  }
}
