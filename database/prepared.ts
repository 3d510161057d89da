import type { Knex } from 'knex';
import type { Client } from 'pg';
import type { Database, Statement } from 'sqlite3';
import { isPostgres } from './clock.ts';

type Values = (string | number)[];
type Select<Row> = (values: Values) => Promise<Row | undefined>;

/**
 * Prepares a `select` once for each connection to the database. Knex takes longer to build a query than the database
 * takes to find one row, so this pays off for queries that almost every request makes.
 *
 * @returns a function that takes the values for the `?` in the statement, and returns the first row, if any.
 */
export function prepareSelect<Row>(knex: Knex, sql: string): Select<Row> {
  const select = isPostgres(knex) ? onPostgres<Row>(sql) : onSqlite<Row>(knex, sql);
  return async (values) => {
    const connection = await knex.client.acquireConnection();
    try {
      return await select(connection, values);
    } finally {
      await knex.client.releaseConnection(connection);
    }
  };
}

let prepared = 0;

/** By its name, the driver remembers which of its connections have prepared a statement. */
function onPostgres<Row>(sql: string) {
  const name = `select ${prepared++}`;
  let parameter = 0;
  const text = sql.replace(/\?/g, () => `$${++parameter}`);
  return async (connection: Client, values: Values): Promise<Row | undefined> =>
    (await connection.query({ name, text, values })).rows[0];
}

function onSqlite<Row>(knex: Knex, sql: string) {
  const statements = new WeakMap<Database, Statement>();
  // SQLite does not close a connection that has a prepared statement.
  knex.client.pool.on('destroyRequest', (_eventId: number, connection: Database) =>
    statements.get(connection)?.finalize(),
  );
  return async (connection: Database, values: Values): Promise<Row | undefined> => {
    const statement = statements.get(connection) ?? (await prepare(connection, sql));
    statements.set(connection, statement);
    return first<Row>(statement, values);
  };
}

function prepare(connection: Database, sql: string): Promise<Statement> {
  return new Promise((resolve, reject) => {
    const statement = connection.prepare(sql, (error) =>
      error ? reject(error) : resolve(statement),
    );
  });
}

/** Uses `all`, because `get` would keep the statement open, and the database locked for writers. */
function first<Row>(statement: Statement, values: Values): Promise<Row | undefined> {
  return new Promise((resolve, reject) => {
    statement.all<Row>(values, (error, rows) => (error ? reject(error) : resolve(rows[0])));
  });
}
