import type { Knex } from 'knex';
import type { Database, Statement } from 'sqlite3';

/**
 * Prepares a `select` once for each connection to an SQLite database. For Knex to build a query takes longer than
 * for SQLite to find one row, so this pays for queries that almost every request needs.
 *
 * @returns a function that takes the values for the `?` in the statement, and returns the first row, if any.
 */
export function prepareSelect<Row>(
  knex: Knex,
  sql: string,
): (values: (string | number)[]) => Promise<Row | undefined> {
  const statements = new WeakMap<Database, Statement>();
  // SQLite does not close a connection that has a prepared statement.
  knex.client.pool.on('destroyRequest', (_eventId: number, connection: Database) =>
    statements.get(connection)?.finalize(),
  );
  return async (values) => {
    const connection: Database = await knex.client.acquireConnection();
    try {
      const statement = statements.get(connection) ?? (await prepare(connection, sql));
      statements.set(connection, statement);
      return await first<Row>(statement, values);
    } finally {
      await knex.client.releaseConnection(connection);
    }
  };
}

function prepare(connection: Database, sql: string): Promise<Statement> {
  return new Promise((resolve, reject) => {
    const statement = connection.prepare(sql, (error) =>
      error ? reject(error) : resolve(statement),
    );
  });
}

/** `all` and not `get`, which would keep the statement open, and the database locked for writers. */
function first<Row>(statement: Statement, values: (string | number)[]): Promise<Row | undefined> {
  return new Promise((resolve, reject) => {
    statement.all<Row>(values, (error, rows) => (error ? reject(error) : resolve(rows[0])));
  });
}
