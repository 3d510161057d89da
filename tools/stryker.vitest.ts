import { defineConfig } from 'vitest/config';

// For npm run mutate: the tests beside the code. Stryker runs those that import the file it breaks.
export default defineConfig({
  test: {
    globalSetup: 'tests/global-setup.ts',
    isolate: false,
    restoreMocks: true,
    unstubEnvs: true,
    include: ['{steps,database}/**/*.test.ts'],
  },
});
