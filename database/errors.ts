/** The database could not be opened. Its message is one sentence for the person who started the server. */
export class DatabaseError extends Error {}

/** @returns what the driver said, without the SQL that Knex puts before it. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(message.lastIndexOf(' - ') + 1).replace(/^- /, '');
}
