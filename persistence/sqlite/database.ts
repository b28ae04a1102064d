import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import { checkKeys, databaseIdOf, giveDatabaseId } from './meta-table.ts'
import { missing } from './missing-database.ts'
import type { WorkerSettings } from './protocol.ts'
import { migrate, versionOf } from './schema.ts'
import { isBusy } from './sqlite-errors.ts'

/** How long a statement waits for another process or thread that is writing. */
const BUSY_TIMEOUT_MS = 5_000
/** Pages in the write-ahead log before a commit copies them into the file; fewer rewrite busy pages too often. */
const CHECKPOINT_PAGES = 4_000
const WAL_KEEP_BYTES = 64 * 1024 * 1024
const RETRY_MS = 20

/**
 * A connection that writes durably: a commit returns after fsync. Creates the database, if that is allowed, and
 * brings its schema up to date.
 *
 * Nothing in this process may open the database file with `fs`: closing such a descriptor would drop SQLite's locks.
 */
export function openForWriting(settings: WorkerSettings): { db: Database.Database; databaseId: string } {
  const mayCreate = settings.databaseId === undefined
  if (!mayCreate && !existsSync(settings.file)) throw missing(settings.file, 'is gone')
  const db = new Database(settings.file, { timeout: BUSY_TIMEOUT_MS, fileMustExist: !mayCreate })
  try {
    configure(db)
    // What is deleted is overwritten: what was erased, and what snapshots and edits replaced, must not be readable.
    db.pragma('secure_delete = ON')
    refuseOtherDatabase(db, settings)
    // Two processes that start at once may both want to be first; SQLite's own time-out doesn't cover that.
    retryWhileBusy(() => db.pragma('journal_mode = WAL'))
    retryWhileBusy(() => migrate(db))
    const identify = db.transaction(() => {
      const databaseId = databaseIdOf(db) ?? giveDatabaseId(db)
      checkKeys(db, settings.keys, databaseId)
      return databaseId
    })
    return { db, databaseId: identify.immediate() }
  } catch (error) {
    db.close()
    throw error
  }
}

/** A connection that can't write, to a database that openForWriting() has opened before. */
export function openForReading({ file }: WorkerSettings): Database.Database {
  const db = new Database(file, { timeout: BUSY_TIMEOUT_MS, fileMustExist: true })
  configure(db)
  db.pragma('query_only = ON')
  return db
}

function configure(db: Database.Database): void {
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = OFF')
  db.pragma('cell_size_check = ON') // a damaged page is an error sooner
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  db.pragma(`journal_size_limit = ${WAL_KEEP_BYTES}`)
}

/** Before anything is written: a marked database that is another one, or empty, has been lost. */
function refuseOtherDatabase(db: Database.Database, { file, databaseId }: WorkerSettings): void {
  const isNew = versionOf(db) === 0
  if (databaseId === undefined) return
  const found = isNew ? undefined : databaseIdOf(db)
  if (found === databaseId) return
  throw missing(file, found === undefined ? 'is empty' : 'is not the database that was here')
}

function retryWhileBusy(action: () => void): void {
  for (const deadline = Date.now() + BUSY_TIMEOUT_MS; ; ) {
    try {
      action()
      return
    } catch (error) {
      if (!isBusy(error) || Date.now() > deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS) // a worker thread may block
    }
  }
}
