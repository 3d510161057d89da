import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Knex } from 'knex';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '#steps/05-durable/database.ts';
import { DurableStore } from '#steps/05-durable/store.ts';
import { stopClock } from './clock.ts';
import { temporaryFolder } from './temporary.ts';

describe('pruning in step 05', () => {
  test('finds what it deletes by the index: it looks at no live session', async () => {
    const { knex, store } = await storeWith({ live: 0 });
    const statements: { sql: string; bindings: string[] }[] = [];
    knex.on('query', (query) => statements.push(query));
    await store.prune();
    const [prune = { sql: '', bindings: [] }] = statements;
    const plan = await knex.raw(`explain query plan ${prune.sql}`, prune.bindings);
    const details: string[] = plan.map(({ detail }: { detail: string }) => detail);
    expect(details).toContain('SEARCH sessions USING INDEX sessions_expired_index (expired<?)');
    expect(details.join('\n'), 'it looks at every row').not.toMatch(/SCAN sessions/);
  });

  // The deleting itself takes a few times as long among a million: the ids are random, so each row lies in
  // another page of the index on `sid`. But no live row is looked at, and the pauses outweigh the rest.
  test('among a million live sessions costs what it deletes; the library looks at all of them', {
    timeout: 60_000, // a million rows are to be inserted
  }, async ({ annotate }) => {
    const few = await storeWith({ live: 1000 });
    const many = await storeWith({ live: 1_000_000 });
    const theirs = new ConnectSessionKnexStore({ knex: many.knex, cleanupInterval: 0 });
    const measure = async (expired: number) => ({
      few: await timeToPrune(few.knex, expired, () => few.store.prune()),
      many: await timeToPrune(many.knex, expired, () => many.store.prune()),
      theirs: await timeToPrune(many.knex, expired, () =>
        Reflect.get(theirs, 'dbCleanup').call(theirs),
      ),
    });
    const nothing = await best(measure, 0);
    const thousand = await best(measure, 1000);
    await annotate(
      `nothing expired: ${JSON.stringify(nothing)} ms; 1,000: ${JSON.stringify(thousand)} ms`,
    );
    expect(nothing.many / nothing.few, 'nothing expired, a million to a thousand').toBeLessThan(3);
    expect(nothing.theirs / nothing.many, 'the library, to ours').toBeGreaterThan(20);
    expect(thousand.many / thousand.few, '1,000 expired, a million to a thousand').toBeLessThan(2);
  });

  test('holds the write lock for 100 rows at a time', async () => {
    const { knex, store } = await storeWith({ live: 10 });
    await addSessions(knex, 220, -1);
    let statements = 0;
    knex.on('query', () => {
      statements += 1;
    });
    await store.prune();
    expect(statements).toBe(3);
    expect(await knex('sessions').pluck('sid')).toHaveLength(10);
  });

  test('that fails says so in one line, and does it the next time', async () => {
    const { knex, store, logged } = await storeWith({ live: 0 });
    await addSessions(knex, 1, -1);
    await knex.schema.renameTable('sessions', 'away');
    await store.prune();
    expect(logged()).toEqual([
      'Expired sessions could not be deleted: SQLITE_ERROR: no such table: sessions',
    ]);
    await knex.schema.renameTable('away', 'sessions');
    await store.prune();
    expect(await knex('sessions')).toEqual([]);
  });

  test('leaves nothing behind when the store closes: no timer, and no word', async () => {
    const clock = stopClock();
    const { knex, store, logged } = await storeWith({ live: 0 });
    await addSessions(knex, 2000, -1);
    const statements: string[] = [];
    knex.on('query', ({ sql }) => statements.push(sql));
    const pruning = store.prune();
    await store.close();
    const before = statements.length;
    expect(before, 'it stopped between two batches').toBeLessThan(10);
    await pruning;
    await knex.destroy();
    await clock.advance(3 * 60 * 60 * 1000);
    expect(statements.length).toBe(before);
    expect(logged()).toEqual([]);
  });
});

async function storeWith({ live }: { live: number }) {
  const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
  const knex = await openDatabase(`file:${await temporaryFolder()}/test.sqlite3`);
  onTestFinished(() => knex.destroy());
  const store = new DurableStore({ knex });
  onTestFinished(() => store.close());
  await store.prune(); // the one that it begins with
  await addSessions(knex, live, 24 * 60 * 60);
  return { knex, store, logged: () => printed.mock.calls.flat() };
}

/** @param seconds how long they have still to live; less than nothing if they have expired. */
async function addSessions(knex: Knex, number: number, seconds: number): Promise<void> {
  const expired = new Date(Date.now() + seconds * 1000).toISOString();
  // Ids all over the range, but in their order: that fills the index many times faster.
  const id =
    "printf('%08X', (n - abs(random() % 1000) / 1000.0) * 4294967295 / ?) || hex(randomblob(8))";
  await knex.raw(
    `with recursive number(n) as (select 1 union all select n + 1 from number where n < ?)
     insert into sessions select ${id}, '{"cookie":{}}', ? from number where ? > 0`,
    [number, number || 1, expired, number],
  );
}

interface Times {
  few: number;
  many: number;
  theirs: number;
}

/** The best of three, in turns: what else the machine does must not count. In milliseconds. */
async function best(measure: (expired: number) => Promise<Times>, expired: number) {
  const rounds: Times[] = [];
  for (let round = 0; round < 3; round++) rounds.push(await measure(expired));
  const least = (key: keyof Times) =>
    Number(Math.min(...rounds.map((times) => times[key])).toFixed(2));
  return { few: least('few'), many: least('many'), theirs: least('theirs') };
}

async function timeToPrune(knex: Knex, expired: number, prune: () => Promise<void>) {
  await addSessions(knex, expired, -1);
  const begun = performance.now();
  await prune();
  return performance.now() - begun;
}
