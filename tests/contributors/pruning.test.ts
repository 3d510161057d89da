import { ConnectSessionKnexStore } from 'connect-session-knex';
import type { Knex } from 'knex';
import { expect, onTestFinished, test } from 'vitest';
import { openStoreOf } from '../store-of-step.ts';
import { temporaryEnvironment } from '../temporary.ts';

const STEP = '07-cheap-reads';

// The ids are random, so each deleted row is in another page of the index on `sid`: among a million rows, deleting
// takes a few times as long. But no live row is read, and the pauses between batches outweigh the rest.
test('pruning among a million live sessions costs what it deletes; the library reads all of them', {
  timeout: 90_000,
}, async ({ annotate }) => {
  const few = await storeWith(1000);
  const many = await storeWith(1_000_000);
  const library = new ConnectSessionKnexStore({ knex: many.knex, cleanupInterval: 0 });
  const measure = async (expired: number) => ({
    few: await timeToPrune(few.knex, expired, few.prune),
    many: await timeToPrune(many.knex, expired, many.prune),
    library: await timeToPrune(many.knex, expired, () =>
      Reflect.get(library, 'dbCleanup').call(library),
    ),
  });
  const nothing = await best(() => measure(0));
  const thousand = await best(() => measure(1000));
  await annotate(`nothing expired: ${JSON.stringify(nothing)} ms`);
  await annotate(`1,000 expired: ${JSON.stringify(thousand)} ms`);
  expect(nothing.many / nothing.few, 'nothing expired, a million to a thousand').toBeLessThan(3);
  expect(nothing.library / nothing.many, 'the library, to step 7').toBeGreaterThan(20);
  expect(thousand.many / thousand.few, '1,000 expired, a million to a thousand').toBeLessThan(2);
});

/** The store of step 7 with live sessions. */
async function storeWith(live: number) {
  const { DATABASE_URL } = await temporaryEnvironment();
  const { knex, store, close } = await openStoreOf(STEP, DATABASE_URL);
  onTestFinished(close);
  const prune: () => Promise<void> = Reflect.get(store, 'prune').bind(store);
  await prune(); // joins the run that it begins with
  await addSessions(knex, live, 24 * 60 * 60);
  return { knex, prune };
}

/** @param seconds how long they have still to live; negative if they have expired. */
async function addSessions(knex: Knex, number: number, seconds: number): Promise<void> {
  if (number === 0) return;
  const expired = new Date(Date.now() + seconds * 1000).toISOString();
  // Random ids, but in ascending order: that fills the index many times faster.
  const id =
    "printf('%08X', (n - abs(random() % 1000) / 1000.0) * 4294967295 / ?) || hex(randomblob(8))";
  await knex.raw(
    `with recursive number(n) as (select 1 union all select n + 1 from number where n < ?)
     insert into sessions select ${id}, '{"cookie":{}}', ? from number`,
    [number, number, expired],
  );
}

async function timeToPrune(knex: Knex, expired: number, prune: () => Promise<void>) {
  await addSessions(knex, expired, -1);
  const begun = performance.now();
  await prune();
  return performance.now() - begun;
}

/** The best of three runs, in milliseconds: what else the machine does must not count. */
async function best<Key extends string>(measure: () => Promise<Record<Key, number>>) {
  const first = await measure();
  for (let run = 0; run < 2; run++) {
    const next = await measure();
    for (const key in first) first[key] = Math.min(first[key], next[key]);
  }
  for (const key in first) first[key] = Number(first[key].toFixed(2));
  return first;
}
