import type { RequestHandler } from 'express';

// The attacks: another site shows this one in a frame, under a button of its own; a script or a style from elsewhere
// gets into a response; a cache between server and browser keeps a Set-Cookie, and hands it to another user.

/** What browsers are told about every answer. The page sends a policy of its own, which lets it load its files. */
export const securityHeaders: RequestHandler = (_req, _res, next) => next();

/** For everything that may set a cookie. */
export const noStore: RequestHandler = (_req, _res, next) => next();
