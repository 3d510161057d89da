import type { Knex } from 'knex';

const BATCH = 1000; // rows that are in memory at a time

/** How to read a batch of a table, after the row that `position` names, and how to write it. */
interface Table {
  read: string;
  write: string;
}

const live = `expired > ? and case when json_valid(sess) then json_type(sess, '$.cookie') = 'object' end`;

export const tables = {
  users: {
    read: 'select rowid as position, id, username, password_hash from users where true',
    write: `insert into users (id, username, password_hash)
      select * from json_to_recordset(?) as row(id integer, username text, password_hash text)`,
  },
  sessions: {
    read: `select rowid as position, sid, sess, expired, seen, json_extract(sess, '$.endsAt') as ends
      from sessions where ${live}`,
    write: `insert into sessions (sid, sess, expired, seen, ends)
      select sid, sess::json, expired, seen, coalesce(to_timestamp(ends / 1000), 'infinity') from json_to_recordset(?)
        as row(sid text, sess text, expired timestamptz, seen timestamptz, ends double precision)`,
  },
  devices: {
    read: `select devices.rowid as position, devices.* from devices
      join sessions using (sid) join users on users.id = user_id where ${live}`,
    write: `insert into devices (id, sid, user_id, user_agent, created_at)
      select * from json_to_recordset(?)
        as row(id uuid, sid text, user_id integer, user_agent text, created_at timestamptz)`,
  },
};

/** @returns how many rows it has copied. @param values for the `?` in what reads them. */
export async function copy(from: Knex, to: Knex, { read, write }: Table, values: string[]) {
  let total = 0;
  let position = 0;
  for (;;) {
    const next = `${read} and position > ? order by position limit ${BATCH}`;
    const rows: { position: number }[] = await from.raw(next, [...values, position]);
    if (rows.length === 0) return total;
    await to.raw(write, [JSON.stringify(rows)]);
    total += rows.length;
    position = rows.at(-1)?.position ?? 0;
  }
}

/** SQLite never gives an id twice, not even that of a deleted user. Nor must PostgreSQL. */
export async function continueIds(from: Knex, to: Knex): Promise<void> {
  const last = await from('sqlite_sequence').where({ name: 'users' }).first();
  await to.raw("select setval('users_id_seq', greatest(?, last_value)) from users_id_seq", [
    last?.seq ?? 0,
  ]);
}
