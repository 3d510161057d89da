import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['steps/**/*.test.ts', 'tests/**/*.test.ts'],
    globalSetup: 'tests/global-setup.ts',
    maxWorkers: 3, // some tests wait for two seconds, and another worker can use the processor meanwhile
    isolate: false, // loading Express and Knex anew for each file would take longer than most tests
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: ['./tools/test-reporter.ts'],
    restoreMocks: true,
    unstubEnvs: true,
    // The tests of a step import some of its files by a computed path, which vitest cannot follow. While you practise,
    // each saved file runs the tests again.
    watchTriggerPatterns: [
      {
        pattern: /\/steps\/practice\/[^/]+\.[jt]s$/,
        testsToRun: () => 'steps/practice/app.test.ts',
      },
    ],
  },
});
