import { describe, expect, test } from 'vitest';
import { steps } from '#tools/steps.ts';
import { type Measured, measure } from './measure.ts';

const everything = ['user id', 'user name', 'password hash'] as const;

/** What the README and the tutorial say of each step. */
const promised: Record<string, Omit<Measured, 'step'>> = {
  '01-in-memory': {
    restart: 'lost',
    crash: 'lost',
    stored: [...everything],
    expired: 'left in the store',
  },
  '02-pruned-memory': {
    restart: 'lost',
    crash: 'lost',
    stored: [...everything],
    expired: 'deleted',
  },
  '03-knex-sqlite': { restart: 'kept', crash: 'kept', stored: [...everything], expired: 'deleted' },
  '04-minimal-payload': { restart: 'kept', crash: 'kept', stored: ['user id'], expired: 'deleted' },
  '05-durable': { restart: 'kept', crash: 'kept', stored: ['user id'], expired: 'deleted' },
};

describe.each(steps)('the real server of %s', (step) => {
  test('does with its logins what is promised: restarted, killed, and looked into', async () => {
    expect(await measure(step)).toEqual({ step, ...promised[step] });
  });
});
