/** The database could not be opened. Its message is one sentence for the person who started the server. */
export class DatabaseError extends Error {}
