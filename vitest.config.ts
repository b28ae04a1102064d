import { existsSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configDefaults, defineConfig } from 'vitest/config'
import { isSoak } from './test/support/random.ts'

/** What takes long and fails seldom: a checkout on two cores must be tested within a quarter of an hour. */
const LONG = [
  'test/browser/demo-calls.test.ts',
  'test/client/ends.test.ts',
  'test/cluster/calls.test.ts',
  'test/cluster/lobby.test.ts',
  'test/cluster/presence-truth.test.ts',
  'test/fault/damage.test.ts',
  'test/hostile/repeated-ids.test.ts',
  'test/integration/doctor.test.ts',
  'test/integration/http-sync.test.ts',
  'test/integration/idle-documents.test.ts',
  'test/integration/push.test.ts',
  'test/integration/rates.test.ts',
  'test/integration/uploads.test.ts',
  'test/persistence/processes.test.ts',
  'test/postgres/damage.test.ts',
  'test/postgres/migrate.test.ts',
  'test/traces/automerge-paper.test.ts',
]

const MEMORY_DISK = '/dev/shm'
/** More than all tests have on it at any one time. */
const MEMORY_DISK_BYTES = 4 * 1024 ** 3

// Tests wait thousands of times until something is on the disk. What they kill is processes, never the machine: so a disk
// in memory keeps what they need, and its speed is not the machine's. Node compiles what its threads run once for all.
if (hasMemoryDisk()) process.env.TMPDIR = MEMORY_DISK
process.env.NODE_COMPILE_CACHE = join(tmpdir(), 'coweave-test-compile-cache')

if (!isSoak) process.stdout.write(`Left to \`npm run soak\`: ${LONG.join(', ')}\n`)

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    exclude: isSoak ? configDefaults.exclude : [...configDefaults.exclude, ...LONG],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // How long something takes is never what a test is about, and machines differ: nothing fails for being slow.
    expect: { poll: { timeout: 20_000 } },
    setupFiles: ['test/support/patience.ts'],
    // A browser on two busy cores now and then misses a key: what fails twice is broken.
    retry: process.env.CI === undefined ? 0 : 1,
    // For two cores: many tests wait, for time-outs and browsers.
    maxWorkers: 4,
    pool: 'forks',
  },
})

function hasMemoryDisk(): boolean {
  if (!existsSync(MEMORY_DISK)) return false
  const disk = statfsSync(MEMORY_DISK)
  return disk.bavail * disk.bsize > MEMORY_DISK_BYTES
}
