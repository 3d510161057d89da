import type { Request, RequestHandler } from 'express';

// The attacks: someone on the same network reads the cookie from a request without TLS; a script that got into the
// page reads it; a page on a sister domain sets a second cookie of the same name, so the victim works
// in the attacker's account ("cookie tossing").

/** The session cookie. It has no date, so it ends with the browser; the server decides when the session ends. */
export function sessionCookie(production: boolean) {
  return {
    name: 'sid',
    cookie: { httpOnly: true, sameSite: 'lax', path: '/' } as const,
    note: production ? '' : 'In production it is called __Host-sid, and is sent only over HTTPS.',
  };
}

/** Refuses a request with two cookies of that name: one of them is not ours, and there is no way to tell which. */
export function refuseTossedCookies(_name: string): RequestHandler {
  return (_req, _res, next) => next();
}

/** @returns the values of all cookies of that name. */
export function cookiesOf({ headers: { cookie = '' } }: Request, name: string): string[] {
  return cookie
    .split(';')
    .map((pair) => pair.split(/=(.*)/s).map((part) => part.trim()))
    .flatMap(([key, value]) => (key === name ? [value ?? ''] : []));
}

/** Refuses a login over plain HTTP, because the browser would get no cookie: express-session sends none. */
export const refusePlainHttp: RequestHandler = (_req, _res, next) => next();

/** Whether a request changes nothing, by its method. */
export function isSafe({ method }: Request): boolean {
  return ['GET', 'HEAD', 'OPTIONS'].includes(method);
}
