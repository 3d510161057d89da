import type { Knex } from 'knex';

const MIGRATE = 'Run the migrations that README.md names, and open the store after them.';

const indexesThatBeginWith: Record<string, string> = {
  sqlite3: `select 1 from pragma_index_list('sessions') as list, pragma_index_info(list.name) as part
    where part.seqno = 0 and part.name = ?`,
  postgresql: `select 1 from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
    where indrelid = 'sessions'::regclass and attname = ?`,
};

/**
 * Checks that the sessions table is the one that the store needs. Otherwise a missing index, for example, shows only
 * when the table has grown for months.
 *
 * @param columns that the store reads and writes.
 * @throws {Error} whose message says what to do.
 */
export async function expectTable(knex: Knex, columns: string[]): Promise<void> {
  if (typeof knex !== 'function') {
    throw new TypeError('Write openStore({ knex }), with your instance of Knex.');
  }
  const found: Record<string, Knex.ColumnInfo> = await knex('sessions').columnInfo();
  if (Object.keys(found).length === 0) {
    throw new Error(`There is no table called sessions. ${MIGRATE}`);
  }
  const missing = columns.filter((column) => !(column in found)).join(', ');
  if (/\b(sid|sess|expired)\b/.test(missing)) {
    throw new Error(
      `The table called sessions has no column ${missing}, so it belongs to something else. ` +
        'Give the store a Knex with a file or a schema of its own.',
    );
  }
  if (missing) throw new Error(`The table called sessions has no column ${missing}. ${MIGRATE}`);
  if (!/date|time/i.test(found.expired?.type ?? '')) {
    throw new Error(
      'In the table called sessions, the column expired holds no dates. connect-sqlite3 makes such tables. ' +
        `Rename it, which logs everybody out. ${MIGRATE}`,
    );
  }
  const sql = indexesThatBeginWith[knex.client.dialect]; // of another database, trust the migrations
  const result = sql ? await knex.raw(sql, ['expired']) : [true];
  if ((result.rows ?? result).length === 0) {
    throw new Error(
      'In the table called sessions, the column expired has no index, so deleting expired sessions would read all of ' +
        'it. Run this in the database: CREATE INDEX sessions_by_expiry ON sessions (expired);',
    );
  }
}
