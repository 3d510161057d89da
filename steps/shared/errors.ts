import type { ErrorRequestHandler, RequestHandler } from 'express';
import createError, { isHttpError } from 'http-errors';

/** Makes an error that the client can fix: `throw createError(400, 'A sentence, which is sent.')`. */
export { createError };

const noSuchRoute: RequestHandler = () => {
  throw createError(404, 'This server has nothing at that address.');
};

// Four parameters make it an error handler: Express counts them.
const sendError: ErrorRequestHandler = (error, _req, res, next) => {
  // The response is complete. Closing its connection could only hit the client's next request.
  if (res.writableEnded) return console.error(error);
  // Too late for another response. Express logs the error and closes the connection.
  if (res.headersSent) return next(error);
  const clientError = clientErrorOf(error);
  if (!clientError) console.error(error); // log it in full; send nothing internal
  res.status(clientError?.status ?? 500).json({
    error: clientError?.message ?? 'Something went wrong on the server. Try again later.',
  });
};

/**
 * The last middleware of an app: 404 if no route matched, and every error answered as JSON,
 * `{"error": "a sentence"}`, never with a stack trace, SQL or a path. Errors without a 4xx status
 * are a 500, and are logged.
 */
export const answerErrors = [noSuchRoute, sendError];

/** @returns what to answer when the client can fix the error (4xx); undefined for any other error. */
function clientErrorOf(error: unknown): { status: number; message: string } | undefined {
  const { status, type } = Object(error);
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  // Most errors of libraries have a type, and none of their messages is a sentence, as ours are.
  const isOwn = isHttpError(error) && type === undefined && error.message.endsWith('.');
  const message = isOwn ? error.message : sentences[type];
  return { status, message: message ?? 'The server did not understand the request.' };
}

/** What to answer to the errors of `express.json()`, by their type. */
const sentences: Record<string, string> = {
  'entity.parse.failed': 'The body is not valid JSON.',
  'entity.too.large': 'The body is too large: 100 kB is the most.',
  'charset.unsupported': 'Send the body as UTF-8 JSON.',
  'encoding.unsupported': 'Send the body as UTF-8 JSON.',
};
