import type { SessionData } from 'express-session';

const DAY = 24 * 60 * 60 * 1000; // in milliseconds
const FOREVER = Date.parse('9999-12-31'); // later dates are longer text, which SQLite would compare wrongly

/**
 * When a session ends: when its cookie does, or some time from now if the cookie has no date and ends with the browser.
 *
 * @param idleTimeout how long that is, in milliseconds; by default a day.
 */
export function expiryOf({ cookie }: SessionData, idleTimeout = DAY): number {
  // The types do not say so, but express-session also documents `false` for a cookie without a date.
  const expires = new Date(cookie.expires || Number.NaN).getTime();
  return Number.isNaN(expires) ? Date.now() + idleTimeout : Math.min(expires, FOREVER);
}

/** A time as text of fixed width, which SQLite sorts correctly: earlier is less. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}
