import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from 'better-sqlite3'

/** How often, and how far apart, the write-ahead log is tried to be emptied: nobody may be reading at that moment. */
const TRUNCATIONS = 20
const TRUNCATION_WAIT_MS = 50

/** The write-ahead log still has what was erased, until it is overwritten. Gives up where somebody reads all the time. */
export async function emptyWal(db: Database): Promise<void> {
  const timeout = db.pragma('busy_timeout', { simple: true })
  db.pragma('busy_timeout = 0')
  for (let tried = 0; tried < TRUNCATIONS && isBusy(db); tried++) await delay(TRUNCATION_WAIT_MS)
  db.pragma(`busy_timeout = ${Number(timeout)}`)
}

function isBusy(db: Database): boolean {
  return db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').pluck().get() !== 0
}
