import { checksum } from './checksum.ts'
import type { DocumentKey } from './document-record.ts'
import type { Seen } from './seen-store.ts'
import { StorageError } from './storage-error.ts'

export function seenChecksum(document: DocumentKey, { user, position, at }: Seen): number {
  return checksum([document.id, position, at], user)
}

/** Verifies a row of user, position, at, checksum. @throws {StorageError} `storage/corrupt`, naming document and user */
export function parseSeen(document: DocumentKey, [user, position, at, sum]: readonly unknown[]): Seen {
  if (typeof user === 'string' && typeof position === 'number' && typeof at === 'number') {
    const seen = { user, position, at }
    if (seenChecksum(document, seen) === sum) return seen
  }
  throw new StorageError('storage/corrupt', `${document.name}: bad checksum of what ${String(user)} has seen`)
}
