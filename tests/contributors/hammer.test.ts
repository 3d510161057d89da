import { expect, test } from 'vitest';
import { runScript } from '#tools/processes.ts';
import { openStoreOf, stepsWithStore } from '../store-of-step.ts';
import { environmentOf } from '../temporary.ts';

const SECONDS = 60;

test('two processes on one database for a minute: no lost update, no revived session, no error', {
  timeout: (SECONDS + 30) * 1000,
}, async ({ annotate }) => {
  const step = stepsWithStore.at(-1) ?? '';
  const { DATABASE_URL } = await environmentOf(step);
  await (await openStoreOf(step, DATABASE_URL)).close(); // the tables exist before both begin
  const hammer = (me: string, other: string) =>
    runScript('tests/contributors/hammer.ts', [step, DATABASE_URL, me, other, String(SECONDS)]);
  for (const { stdout, stderr } of await Promise.all([hammer('a', 'b'), hammer('b', 'a')])) {
    expect(stderr).toBe('');
    await annotate(stdout);
    expect(JSON.parse(stdout)).toMatchObject({ lostUpdates: 0, revivals: 0 });
  }
});
