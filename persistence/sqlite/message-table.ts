import { crc32 } from 'node:zlib'
import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import type { ArchivedMessage } from '../update-log.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'

type MessageKey = Omit<ArchivedMessage, 'json'>

/** A message as it is read: `data` is its JSON in UTF-8. */
export interface StoredMessage extends MessageKey {
  readonly data: Uint8Array
}

/** What parseMessage() takes, besides the room. */
export const MESSAGE_COLUMNS = 'seq, id, key, data, checksum'

/** Copies of what a message's JSON holds. */
export interface MessageColumns {
  readonly author: string
  readonly at: number
  readonly receivedAt: number
  readonly editedAt: number | null
  readonly deletedAt: number | null
  readonly text: string
}

function context({ room, seq, id }: MessageKey): SealContext {
  return { kind: 'message', document: room, position: seq, details: [id] }
}

/** As checksum() does it, in two calls instead of six: a page has a hundred of them. */
function messageChecksum({ room, seq, id }: MessageKey, { key, data }: SealedBytes): number {
  const header = `${seq} ${room.length} ${id.length} ${data.length} ${room}${id}${key ?? ''}`
  return crc32(data, crc32(header)) | 0
}

/** Returns a function that stores one message, or its new state; call it inside a transaction. */
export function messageWriter(db: Database, keys: KeyRing | undefined): (message: ArchivedMessage) => void {
  const upsert = db.prepare(
    `INSERT INTO messages
       (room, seq, id, author, at, received_at, edited_at, deleted_at, text, key, data, checksum)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (room, seq) DO UPDATE SET
       author = excluded.author, at = excluded.at, received_at = excluded.received_at, edited_at = excluded.edited_at,
       deleted_at = excluded.deleted_at, text = excluded.text, key = excluded.key, data = excluded.data,
       checksum = excluded.checksum
     WHERE id = excluded.id
     ON CONFLICT (room, id) DO NOTHING`,
  )
  return (message) => {
    const { room, seq, id, json } = message
    const { author, at, receivedAt, editedAt, deletedAt, text } = columnsOf(json)
    const sealed = seal(keys, Buffer.from(json), context(message))
    const { key, data } = sealed
    const searched = key === null ? text : null
    const sum = messageChecksum(message, sealed)
    upsert.run(room, seq, id, author, at, receivedAt, editedAt, deletedAt, searched, key, data, sum)
  }
}

/** Returns a function that reads a page of a room's messages, lowest `seq` first. */
export function messagePager(
  db: Database,
  keys: KeyRing | undefined,
): (options: { room: string; before: number; limit: number }) => StoredMessage[] {
  const select = db
    .prepare<[string, number, number], unknown[]>(
      `SELECT ${MESSAGE_COLUMNS} FROM messages WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
    )
    .raw()
  return ({ room, before, limit }) =>
    select
      .all(room, before, limit)
      .map((values) => parseMessage(keys, room, values))
      .reverse()
}

/** Returns a function that reads the message of an id, if there is one. */
export function messageFinder(db: Database, keys: KeyRing | undefined): (room: string, id: string) => StoredMessage[] {
  const select = db
    .prepare<[string, string], unknown[]>(`SELECT ${MESSAGE_COLUMNS} FROM messages WHERE room = ? AND id = ?`)
    .raw()
  return (room, id) => select.all(room, id).map((values) => parseMessage(keys, room, values))
}

/** Returns a function that tells which of some ids messages of a room have; the index alone answers. */
export function messageProbe(db: Database): (room: string, ids: readonly string[]) => string[] {
  const select = db.prepare<[string, string]>('SELECT 1 FROM messages WHERE room = ? AND id = ?')
  return (room, ids) => ids.filter((id) => select.get(room, id) !== undefined)
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

/** Whoever wrote the message answers for what is in it: a value of a wrong kind must not fail everybody's commit. */
export function columnsOf(json: string): MessageColumns {
  const message: Readonly<Record<string, unknown>> = JSON.parse(json)
  return {
    author: typeof message.author === 'string' ? message.author : '',
    at: timeOf(message.at) ?? 0,
    receivedAt: timeOf(message.receivedAt) ?? 0,
    editedAt: timeOf(message.editedAt),
    deletedAt: timeOf(message.deletedAt),
    text: typeof message.text === 'string' ? message.text : '',
  }
}

function timeOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null
}
