import { vi } from 'vitest'

/** As expect.poll in vitest.config.ts, for which Vitest has no setting. */
const PATIENCE_MS = 20_000

const { waitFor, waitUntil } = vi
vi.waitFor = (callback, options = PATIENCE_MS) => waitFor(callback, options)
vi.waitUntil = (callback, options = PATIENCE_MS) => waitUntil(callback, options)
