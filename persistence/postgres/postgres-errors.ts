import pg from 'pg'
import { StorageError, type StorageErrorCode } from '../storage-error.ts'

// By SQLSTATE, or the beginning of one. What is not known to be final may be tried again.
const CODES: readonly (readonly [string, StorageErrorCode])[] = [
  ['53100', 'storage/full'],
  ['XX001', 'storage/corrupt'],
  ['XX002', 'storage/corrupt'],
  ['23', 'storage/corrupt'], // a row that is there twice, or lacks what each one has
  ['3D000', 'storage/missing'],
  ['3F000', 'storage/missing'],
  ['42P01', 'storage/missing'],
]

/**
 * `what` says what was being done to what, such as `notes/plan: reading`. A StorageError passes unchanged. The error
 * of the driver does not become the cause: it may hold parts of rows, or the connection with all its settings.
 */
export function toStorageError(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  // Node's error of several refused addresses has no message of its own.
  const said = message === '' ? (code ?? 'the connection failed') : `${message}${code ? ` (${code})` : ''}`
  const [, storageCode = 'storage/unavailable'] = CODES.find(([prefix]) => code?.startsWith(prefix)) ?? []
  return new StorageError(storageCode, `${what}: ${said}`)
}

/** What the driver says when a statement takes longer than it may. */
const READ_TIMEOUT = 'Query read timeout'

/** Whether the connection was lost, so that another one may do better. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof StorageError) return false
  if (error instanceof Error && error.message === READ_TIMEOUT) return false // it has waited long enough
  // The server says why it ends a connection: class 57P, an administrator or a crash; 08, the protocol.
  return !(error instanceof pg.DatabaseError) || /^(57P0[123]|08)/.test(error.code ?? '')
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
