import { ConnectSessionKnexStore } from 'connect-session-knex';

/** The database did not do what a session needed: answered with a 503. */
export class StoreError extends Error {}

type Options = ConstructorParameters<typeof ConnectSessionKnexStore>[0];

// Where you begin: the store of step 4 under a name of its own. A migration makes its table.
export class DurableStore extends ConnectSessionKnexStore {
  constructor(options: Options) {
    super({ ...options, createTable: false, cleanupInterval: 0 });
  }

  /** Deletes expired rows. */
  async prune(): Promise<void> {}

  /** Stops what the store does by itself. */
  async close(): Promise<void> {}
}
