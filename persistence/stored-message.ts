import { crc32 } from 'node:zlib'
import type { KeyRing } from './encryption.ts'
import type { ArchivedMessage } from './message-store.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'
import { StorageError } from './storage-error.ts'

type MessageKey = Omit<ArchivedMessage, 'json'>

/** A message as it is read: `data` is its JSON in UTF-8. */
export interface StoredMessage extends MessageKey {
  readonly data: Uint8Array
}

export interface SealedMessage extends SealedBytes {
  readonly checksum: number
}

/** What parseMessage() takes, besides the room. */
export const MESSAGE_COLUMNS = 'seq, id, key, data, checksum'

export function sealMessage(keys: KeyRing | undefined, message: ArchivedMessage): SealedMessage {
  const sealed = seal(keys, Buffer.from(message.json), context(message))
  return { ...sealed, checksum: messageChecksum(message, sealed) }
}

/** Verifies a row of `messages`. @throws {StorageError} `storage/corrupt` or `storage/key`, naming room and seq */
export function parseMessage(keys: KeyRing | undefined, room: unknown, values: readonly unknown[]): StoredMessage {
  const [seq, id, key, data, sum] = values
  if (
    typeof room === 'string' &&
    typeof seq === 'number' &&
    typeof id === 'string' &&
    (key === null || typeof key === 'string') &&
    data instanceof Uint8Array
  ) {
    const message = { room, seq, id }
    const sealed = { key, data }
    if (messageChecksum(message, sealed) === sum) {
      return { ...message, data: key === null ? data : unseal(keys, sealed, context(message)) }
    }
  }
  throw new StorageError('storage/corrupt', `${String(room)}: bad checksum of the message with seq ${String(seq)}`)
}

function context({ room, seq, id }: MessageKey): SealContext {
  return { kind: 'message', document: room, position: seq, details: [id] }
}

/** As checksum() does it, in two calls instead of six: a page has a hundred of them. */
function messageChecksum({ room, seq, id }: MessageKey, { key, data }: SealedBytes): number {
  const header = `${seq} ${room.length} ${id.length} ${data.length} ${room}${id}${key ?? ''}`
  return crc32(data, crc32(header)) | 0
}
