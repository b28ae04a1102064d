import { decrypt, encrypt, type KeyRing, keyById } from './encryption.ts'
import { StorageError } from './storage-error.ts'

/** Bytes as they stand in a table: plain when `key` is null, else encrypted with the key of that id. */
export interface SealedBytes {
  readonly key: string | null
  readonly data: Uint8Array
}

/** What sealed bytes belong to; encrypted bytes open nowhere else. */
export interface SealContext {
  readonly kind: 'row' | 'pack' | 'snapshot' | 'message' | 'subscription' | 'event' | 'version' | 'webhook'
  /** Of a message or a subscription its room, of a webhook its id. */
  readonly document: string
  /** Of a message its `seq`; of a pack that of its first row; 0 of a subscription, an event or a webhook. */
  readonly position: number
  /**
   * The rest that identifies them: time and author of a row, last position and time of a pack, part number of a snapshot, id of a message or a subscription,
   * id, kind and time of an event; id, author and time of a version.
   */
  readonly details: readonly (string | number)[]
}

export function seal(keys: KeyRing | undefined, plain: Uint8Array, context: SealContext): SealedBytes {
  if (keys === undefined) return { key: null, data: plain }
  const [key] = keys
  return { key: key.id, data: encrypt(key, plain, contextText(context)) }
}

/** @throws {StorageError} `storage/key` or `storage/corrupt`, naming document and position */
export function unseal(keys: KeyRing | undefined, { key: id, data }: SealedBytes, context: SealContext): Uint8Array {
  if (id === null) return data
  const place = `${context.document}: ${context.kind} at position ${context.position}`
  const plain = decrypt(keyById(keys, id), data, contextText(context))
  if (plain === undefined) throw new StorageError('storage/corrupt', `${place} can't be decrypted with the key "${id}"`)
  return plain
}

function contextText({ kind, document, position, details }: SealContext): string {
  return JSON.stringify([kind, document, position, ...details])
}
