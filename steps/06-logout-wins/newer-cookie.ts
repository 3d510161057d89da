import type { RequestHandler } from 'express';

/**
 * Lets only the response that begins a session set its cookie. express-session sends a cookie with a date again
 * whenever its session changes. If such a response ends late, it overwrites the cookie of a newer login.
 *
 * The price: the browser keeps the date that the login set, and `rolling` has no effect. To give a session another
 * `maxAge`, begin a new one with `regenerate`.
 *
 * @param name of the session cookie.
 */
export function keepNewerCookie(name: string): RequestHandler {
  return (req, res, next) => {
    const { cookie: received = '' } = req.headers;
    const setHeader = res.setHeader.bind(res);
    res.setHeader = (header, value) => {
      const ownCookie = `${name}=${encodeURIComponent(`s:${req.sessionID}.`)}`; // the signature follows
      const isNew = (text: string) => !(text.startsWith(ownCookie) && received.includes(ownCookie));
      return setHeader(header, Array.isArray(value) ? value.filter(isNew) : value);
    };
    next();
  };
}
