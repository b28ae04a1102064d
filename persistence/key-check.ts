import { decrypt, encrypt, type KeyRing } from './encryption.ts'
import { StorageError } from './storage-error.ts'

const KNOWN_TEXT = 'coweave key check'

/** A known text encrypted with a key, kept in the database under the key's id. */
export interface KeyCheck {
  readonly id: string
  readonly value: unknown
}

/**
 * Each key leaves a known text encrypted with it, so that a wrong key under a known id, or a key that is gone, is
 * found when the database is opened and not when a document is. Returns what is still to be written for the current
 * key, if anything.
 * @throws {StorageError} `storage/key`
 */
export function verifyKeys(
  keys: KeyRing | undefined,
  checks: readonly KeyCheck[],
  { databaseId, place }: { readonly databaseId: string; readonly place: string },
): { readonly id: string; readonly value: Uint8Array } | undefined {
  for (const { id, value } of checks) {
    const key = keys?.find((candidate) => candidate.id === id)
    if (key === undefined) {
      const message = `${place} holds data encrypted with the key "${id}", which ENCRYPTION_KEY does not hold`
      throw new StorageError('storage/key', message)
    }
    if (!(value instanceof Uint8Array) || decrypt(key, value, databaseId) === undefined) {
      throw new StorageError('storage/key', `ENCRYPTION_KEY "${id}" is not the key that ${place} was written with`)
    }
  }
  const current = keys?.[0]
  if (current === undefined || checks.some(({ id }) => id === current.id)) return undefined
  return { id: current.id, value: encrypt(current, Buffer.from(KNOWN_TEXT), databaseId) }
}
