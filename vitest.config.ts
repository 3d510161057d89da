import { defineConfig } from 'vitest/config';

const options = {
  isolate: false, // loading Express and Knex anew for each file would take longer than most tests
  testTimeout: 600_000, // far more than a busy machine needs: it only ends a test that hangs
  hookTimeout: 600_000,
  expect: { poll: { timeout: 60_000 } },
  restoreMocks: true,
  unstubEnvs: true,
};

const login = 'tests/login.test.ts';

// npm test runs the project "reader": what the chapters claim. npm run test:all also runs everything else.
export default defineConfig({
  test: {
    globalSetup: 'tests/global-setup.ts',
    maxWorkers: 3, // some tests wait for two seconds, and another worker can use the processor meanwhile
    hideSkippedTests: true,
    projects: [
      { test: { ...options, name: 'reader', include: ['steps/[0-9]*/*.test.ts', login] } },
      {
        test: {
          ...options,
          name: 'rest',
          include: ['{steps/shared,database}/*.test.ts', 'tests/**/*.test.ts'],
          exclude: [login],
        },
      },
      // What npm run contract NAME runs, once for each store.
      {
        test: {
          ...options,
          name: 'one-store',
          include: ['tests/one-store.ts'],
          testTimeout: 60_000,
        },
      },
      // The reader's own folder. Code that is half written often leaves a request without an answer, so a test ends sooner.
      {
        test: {
          ...options,
          testTimeout: 30_000,
          name: 'practice',
          include: ['steps/practice/*.test.ts', login],
        },
      },
    ],
  },
});
