import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A browser on two busy cores now and then misses a key: what fails twice is broken.
    retry: process.env.CI === undefined ? 0 : 1,
    // For two cores: many tests wait, for time-outs and browsers.
    maxWorkers: 4,
    pool: 'forks',
  },
})
