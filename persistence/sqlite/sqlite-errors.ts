import Database from 'better-sqlite3'
import { StorageError, type StorageErrorCode } from '../storage-error.ts'

const CORRUPT = ['SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_IOERR_SHORT_READ', 'SQLITE_IOERR_DATA', 'SQLITE_CONSTRAINT']
// Growing the shared-memory file fails for want of space only.
const FULL = ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE', 'ENOSPC', 'EDQUOT']

/** The code for an SQLite result code or an errno name. What is not known to be final may be tried again. */
export function storageErrorCode(code: string): StorageErrorCode {
  if (FULL.some((prefix) => code.startsWith(prefix))) return 'storage/full'
  if (CORRUPT.some((prefix) => code.startsWith(prefix))) return 'storage/corrupt'
  return 'storage/unavailable'
}

/** `what` says what was being done to what, such as `notes/plan: reading`. A StorageError passes unchanged. */
export function toStorageError(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error
  const message = error instanceof Error ? error.message : String(error)
  const code = resultCode(error)
  return new StorageError(storageErrorCode(code ?? ''), `${what}: ${message}${code ? ` (${code})` : ''}`, {
    cause: error,
  })
}

export function isBusy(error: unknown): boolean {
  return resultCode(error)?.startsWith('SQLITE_BUSY') ?? false
}

function resultCode(error: unknown): string | undefined {
  if (error instanceof Database.SqliteError) return error.code
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}
