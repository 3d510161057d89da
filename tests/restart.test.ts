import { describe, expect, test } from 'vitest';
import { readStep } from '#steps/shared/step.ts';
import { measure } from '#tools/measure.ts';
import { stepFolder, stepNames } from '#tools/steps.ts';

// Each test runs real servers, one after the other.
describe.each(stepNames)('the real server of %s', (step) => {
  test('does what its step.json says when it is restarted, killed and looked into', async () => {
    const outcomes = await measure(step);
    expect(outcomes, 'the real server does not do what step.json says').toEqual(
      readStep(stepFolder(step)).outcomes,
    );
  });
});
