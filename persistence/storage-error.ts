import { CoweaveError } from '../model/errors.ts'

/**
 * - `storage/full`: no space or quota left; free some, writing goes on by itself.
 * - `storage/unavailable`: the database can't be reached or written now; trying again may help.
 * - `storage/corrupt`: a damaged file, page, row or snapshot; the message names it. Restore a backup.
 * - `storage/missing`: a database that was here is gone or empty; restore it, or remove its marker.
 * - `storage/key`: encrypted with a key that `ENCRYPTION_KEY` does not hold.
 * - `storage/version`: written by a newer version of Coweave.
 * - `storage/closed`: used after close().
 */
export type StorageErrorCode = (typeof CODES)[number]

const CODES = [
  'storage/full',
  'storage/unavailable',
  'storage/corrupt',
  'storage/missing',
  'storage/key',
  'storage/version',
  'storage/closed',
] as const

export function isStorageErrorCode(code: string): code is StorageErrorCode {
  return CODES.some((known) => known === code)
}

/** A failed storage call. */
export class StorageError extends CoweaveError {
  override readonly name = 'StorageError'
  declare readonly code: StorageErrorCode

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options)
  }
}
