import { setTimeout } from 'node:timers/promises';
import type { Knex } from 'knex';
import type { Database, Statement } from 'sqlite3';
import { migrationsWith } from '#database/migrations/index.ts';
import { connect, DatabaseError } from '#database/open.ts';
import * as createSessions from './create-sessions.ts';

// Each connection is told this once. Durations are in milliseconds.
const pragmas = `
  -- Wait so long while another writes, then give up. Without it, two writers at the same moment make an
  -- error of one. The price of patience: all that wait for this connection wait with it.
  PRAGMA busy_timeout = 250;
  -- Writes go to a second file, so that readers and a writer do not wait for each other, and a commit is
  -- one short write. The price: three files to copy in a backup, and no network file system.
  PRAGMA journal_mode = WAL;
  -- Do not wait for the disk at each commit. A process that dies loses nothing; at a power cut the last
  -- few commits may be lost, which here are a few logins.
  PRAGMA synchronous = NORMAL;`;

/** While one waits for a writer, the other reads; and there are threads left in Node for reading files. */
const CONNECTIONS = 2;

/** How long a statement waits for the connection. Knex's own minute is longer than users wait. */
const QUEUE = 1000;

/** How many statements a connection keeps. An application has few that differ in more than their values. */
const STATEMENTS = 50;

type Answer = (this: Statement, error: Error | null, rows: unknown[]) => void;

/** How long another process may take to make the tables. */
const PATIENCE = 10_000;

/** Opens the database as the shared `openDatabase` does, made for a server that must go on. */
export function openDatabase(url: string): Promise<Knex> {
  const connections = url.endsWith(':memory:') ? 1 : CONNECTIONS; // in memory, each has its own database
  const spoiled = new Set<string>();
  return connect(
    url,
    async (knex) => {
      await migrate(knex, url);
      // After these errors, a connection may have read what was never in the database.
      knex.on('query-error', (error, { __knexUid: connection }) => {
        if (/^SQLITE_(CORRUPT|NOTADB|IOERR|CANTOPEN)/.test(error.code)) spoiled.add(connection);
      });
    },
    {
      acquireConnectionTimeout: QUEUE,
      compileSqlOnError: false, // errors name the statement without its values, the session ids
      pool: {
        // Opened once, and kept. With its last connection SQLite ends its second file: it copies it into
        // the first one, and deletes it. That must not happen while the first one is broken.
        min: connections,
        max: connections,
        afterCreate: prepare,
        // So a connection that has read from a broken file forgets that, before it is used again.
        validate: (connection) => {
          if (spoiled.delete(connection.__knexUid)) forgetPages(connection);
          return true;
        },
      },
    },
  );
}

function prepare(connection: Database, done: (error: Error | null, connection: Database) => void) {
  keepStatements(connection);
  connection.exec(pragmas, (error) => {
    if (!error) return done(null, connection);
    connection.close(() => done(error, connection)); // or it would stay open, and nobody's
  });
}

/** Should it fail, the next query tells. */
function forgetPages(connection: Database): void {
  connection.exec('PRAGMA shrink_memory', () => {});
}

/**
 * Has each statement that reads compiled once for a connection, and not for each request. SQLite does it
 * anew by itself when the tables have changed.
 */
function keepStatements(connection: Database): void {
  const statements = new Map<string, Statement>();
  const close = connection.close.bind(connection);
  Object.assign(connection, {
    all(sql: string, values: unknown, answer: Answer): void {
      const known = statements.get(sql);
      if (known) {
        known.all(values, answer);
        return;
      }
      const statement = connection.prepare(sql, (error) => {
        if (error) answer.call(statement, error, []);
        else if (statements.size < STATEMENTS) statements.set(sql, statement.all(values, answer));
        else statement.all(values, answer).finalize();
      });
    },
    close(closed: (error: Error | null) => void): void {
      for (const statement of statements.values()) statement.finalize(); // or it would not close
      close(closed);
    },
  });
}

/** Of two servers that start at the same moment, one makes the tables, and the other waits for it. */
async function migrate(knex: Knex, url: string): Promise<void> {
  const migrationSource = migrationsWith({ '002-create-sessions': createSessions });
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    try {
      await knex.migrate.latest({ migrationSource });
      return;
    } catch (error) {
      if (!isSomebodyElses(error)) throw error;
      if (Date.now() > deadline) {
        throw new DatabaseError(
          `The database ${url} stayed locked for ${PATIENCE / 1000} seconds. If another program is at work in it, ` +
            'wait for that. If a server died while it made its tables, run this in the database: ' +
            'UPDATE knex_migrations_lock SET is_locked = 0;',
        );
      }
      await setTimeout(50 + 50 * Math.random());
    }
  }
}

/** Another process holds the lock, or made a table between our looking for it and our making it. */
function isSomebodyElses(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'MigrationLocked' || /already exists|UNIQUE/.test(error.message)) return true;
  return 'code' in error && error.code === 'SQLITE_BUSY';
}
