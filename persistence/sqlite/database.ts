import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import { decrypt, encrypt, type KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import type { WorkerSettings } from './protocol.ts'
import { migrate, versionOf } from './schema.ts'
import { isBusy } from './sqlite-errors.ts'

/** How long a statement waits for another process or thread that is writing. */
const BUSY_TIMEOUT_MS = 5_000
/** Pages in the write-ahead log before a commit copies them into the file; fewer rewrite busy pages too often. */
const CHECKPOINT_PAGES = 4_000
const WAL_KEEP_BYTES = 64 * 1024 * 1024
const RETRY_MS = 20

const KEY_CHECK = 'coweave key check'

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
    refuseOtherDatabase(db, settings)
    // Two processes that start at once may both want to be first; SQLite's own time-out doesn't cover that.
    retryWhileBusy(() => db.pragma('journal_mode = WAL'))
    retryWhileBusy(() => migrate(db))
    const databaseId = db.transaction(() => identify(db)).immediate()
    checkKeys(db, settings.keys, databaseId)
    return { db, databaseId }
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
  const found = isNew ? undefined : readMeta(db, 'database')
  if (found === databaseId) return
  throw missing(file, found === undefined ? 'is empty' : 'is not the database that was here')
}

/** A database that was here, as its marker tells, and is not any more. */
export function missing(file: string, what: string): StorageError {
  const message =
    `${file} ${what}. Restore it from a backup or mount the right volume. Only if you mean to go on without what it ` +
    `held, remove its marker ${markerOf(file)} and start again`
  return new StorageError('storage/missing', message)
}

/** Where a database's marker stands; see marker.ts. */
export function markerOf(file: string): string {
  return `${file}.marker`
}

function identify(db: Database.Database): string {
  const found = readMeta(db, 'database')
  if (typeof found === 'string') return found
  const databaseId = randomUUID()
  writeMeta(db, 'database', databaseId)
  return databaseId
}

/**
 * Each key leaves a known text encrypted with it, so that a wrong key under a known id, or a key that is gone, is
 * found when the database is opened and not when a document is.
 */
function checkKeys(db: Database.Database, keys: KeyRing | undefined, databaseId: string): void {
  const checks = db.prepare<[], { id: unknown; value: unknown }>(
    `SELECT substr(key, 5) AS id, value FROM meta WHERE key LIKE 'key:%'`,
  )
  const known = new Set<unknown>()
  for (const { id, value } of checks.all()) {
    known.add(id)
    const key = keys?.find((candidate) => candidate.id === id)
    if (key === undefined) {
      const message = `${db.name} holds data encrypted with the key "${id}", which ENCRYPTION_KEY does not hold`
      throw new StorageError('storage/key', message)
    }
    if (!(value instanceof Uint8Array) || decrypt(key, value, databaseId) === undefined) {
      throw new StorageError('storage/key', `ENCRYPTION_KEY "${id}" is not the key that ${db.name} was written with`)
    }
  }
  const current = keys?.[0]
  if (current === undefined || known.has(current.id)) return
  writeMeta(db, `key:${current.id}`, encrypt(current, Buffer.from(KEY_CHECK), databaseId))
}

function readMeta(db: Database.Database, key: string): unknown {
  return db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key)
}

function writeMeta(db: Database.Database, key: string, value: string | Uint8Array): void {
  db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(key, value)
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
