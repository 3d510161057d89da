import type { RequestHandler } from 'express';
import helmet from 'helmet';

// The attacks: another site shows this one in a frame, under a button of its own; a script or a style from elsewhere
// gets into a response; a cache between server and browser keeps a Set-Cookie, and hands it to another user.

/** What browsers are told about every answer. The page sends a policy of its own, which lets it load its files. */
export const securityHeaders = helmet({
  xFrameOptions: { action: 'deny' },
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
});

/** For everything that may set a cookie. */
export const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store');
  next();
};
