import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'
import { openForReading } from './database.ts'
import { nothing, type Role, unexpectedRequest, type WorkerSettings } from './protocol.ts'
import { toStorageError } from './sqlite-errors.ts'

const PAGES_PER_STEP = 1_000

/** The thread of one backup(). */
export function openBackup(settings: WorkerSettings): Role {
  const db = openForReading(settings)
  return {
    async handle(request) {
      if (request.kind !== 'backup') return unexpectedRequest('backup', request)
      await backUp(db, request.target)
      return nothing()
    },
    close() {
      db.close()
    },
  }
}

/** Written beside the target, verified and synced, then renamed: a file of that name is a whole backup. */
async function backUp(db: Database.Database, target: string): Promise<void> {
  refuseExisting(target)
  const partial = `${target}.partial-${process.pid}-${Date.now()}`
  try {
    // One read transaction throughout: it sees one moment, and other connections' commits don't start it afresh.
    db.exec('BEGIN')
    db.prepare('SELECT 1 FROM meta').get()
    await db.backup(partial, { progress: () => PAGES_PER_STEP })
    db.exec('COMMIT')
    verify(partial)
    sync(partial)
    refuseExisting(target)
    renameSync(partial, target)
    sync(dirname(target))
  } catch (error) {
    for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(partial + suffix, { force: true })
    throw toStorageError(error, `backup to ${target}`)
  }
}

function refuseExisting(target: string): void {
  if (existsSync(target)) throw new StorageError('storage/unavailable', `${target} exists already; name a new file`)
}

function verify(file: string): void {
  const copy = new Database(file, { fileMustExist: true })
  try {
    const found = String(copy.pragma('quick_check(1)', { simple: true }))
    if (found !== 'ok') throw new StorageError('storage/corrupt', `the backup is damaged: ${found}`)
  } finally {
    copy.close()
  }
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
