import type { Request, RequestHandler } from 'express';
import { createError } from '#steps/shared/errors.ts';

// The attacks: someone on the same network reads the cookie from a request without TLS; a script that got into the
// page reads it; a page on a sister domain sets a second cookie of the same name, so the victim works
// in the attacker's account ("cookie tossing").

/** The session cookie. It has no date, so it ends with the browser; the server decides when the session ends. */
export function sessionCookie(production: boolean) {
  return {
    // Browsers accept a name with __Host- only over HTTPS, only for one host, and only for all of its paths.
    name: production ? '__Host-sid' : 'sid',
    cookie: { httpOnly: true, sameSite: 'lax', secure: production, path: '/' } as const,
  };
}

/** Refuses a request with two cookies of that name: one of them is not ours, and there is no way to tell which. */
export function refuseTossedCookies(name: string): RequestHandler {
  return (req, _res, next) => {
    if (cookiesOf(req, name).length < 2) return next();
    throw createError(
      400,
      'Your browser sent two session cookies. Delete the cookies of this site, and log in again.',
    );
  };
}

/** @returns the values of all cookies of that name. */
export function cookiesOf({ headers: { cookie = '' } }: Request, name: string): string[] {
  return cookie
    .split(';')
    .map((pair) => pair.split(/=(.*)/s).map((part) => part.trim()))
    .flatMap(([key, value]) => (key === name ? [value ?? ''] : []));
}

/**
 * Refuses a login over plain HTTP, because express-session would send no cookie. Also refuses one through a proxy that
 * does not say who the client is, because all users would share one address and its rate limit.
 */
export const refusePlainHttp: RequestHandler = (req, _res, next) => {
  const isDirect = 'encrypted' in req.socket;
  if (isSafe(req) || (req.secure && (isDirect || req.ips.length > 0))) return next();
  throw createError(
    403,
    'Use HTTPS. A proxy that ends TLS has to set X-Forwarded-Proto and X-Forwarded-For, and TRUST_PROXY has to name it.',
  );
};

/** Whether a request changes nothing, by its method. */
export function isSafe({ method }: Request): boolean {
  return ['GET', 'HEAD', 'OPTIONS'].includes(method);
}
