import type { ErrorRequestHandler, RequestHandler } from 'express';

/** An error that is the client's to mend. Its message is sent, so it holds nothing confidential. */
export class HttpError extends Error {
  readonly status: number;

  /**
   * @param status the HTTP status, from 400 to 499.
   * @param message one sentence that says what is wrong and what to do.
   */
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const noSuchRoute: RequestHandler = () => {
  throw new HttpError(404, 'This server has nothing at that address.');
};

// Four parameters make it an error handler: Express counts them.
const sendError: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) {
    next(error); // too late for an answer of ours; Express closes the connection
    return;
  }
  const answer = error instanceof HttpError ? error : translate(error);
  if (!answer) console.error(error); // whole, and only here: a client learns nothing of our insides
  res
    .status(answer?.status ?? 500)
    .json({ error: answer?.message ?? 'Something went wrong on the server. Try again later.' });
};

/**
 * What an app ends with: 404 for what no route took, and every error answered as JSON,
 * `{"error": "a sentence"}`, never with a stack trace, SQL or a path.
 */
export const answerErrors = [noSuchRoute, sendError];

/** Says in our own words what Express and its body parser refuse, or undefined for a fault of ours. */
function translate(error: unknown): HttpError | undefined {
  switch (property(error, 'type')) {
    case 'entity.parse.failed':
      return new HttpError(400, 'The body is not valid JSON.');
    case 'entity.too.large':
      return new HttpError(413, 'The body is too large: 100 kB is the most.');
    case 'charset.unsupported':
    case 'encoding.unsupported':
      return new HttpError(415, 'Send the body as UTF-8 JSON.');
  }
  const status = property(error, 'status');
  return typeof status === 'number' && status >= 400 && status < 500
    ? new HttpError(status, 'The server did not understand the request.')
    : undefined;
}

function property(value: unknown, name: 'type' | 'status'): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? Reflect.get(value, name)
    : undefined;
}
