import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Knex } from 'knex';

// Where you begin: the store of step 4 under a name of its own. A migration makes its table.
export class DurableStore extends ConnectSessionKnexStore {
  constructor({ knex }: { knex: Knex }) {
    super({ knex, createTable: false, cleanupInterval: 0 });
  }

  /** Deletes expired rows. */
  async prune(): Promise<void> {}

  /** Stops what the store does by itself. */
  async close(): Promise<void> {}
}
