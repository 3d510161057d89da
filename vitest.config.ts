import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['steps/**/*.test.ts', 'tests/**/*.test.ts'],
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: ['tree'], // names every test: npm test 03 reads as the summary of its chapter
    restoreMocks: true,
    unstubEnvs: true,
  },
});
