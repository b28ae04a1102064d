import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { ANY_SEQ, type ArchivedMessage } from '../message-store.ts'
import { MESSAGE_COLUMNS, parseMessage, type StoredMessage, sealMessage } from '../stored-message.ts'
import type { ExpectedRoom } from '../update-log.ts'
import type { SearchReply } from './message-replies.ts'
import { UNPLANNED } from './unplanned.ts'

/** Copies of what a message's JSON holds. */
export interface MessageColumns {
  readonly author: string
  readonly at: number
  readonly receivedAt: number
  readonly editedAt: number | null
  readonly deletedAt: number | null
  readonly text: string
}

/**
 * Stores messages, or their new states; call everything inside one transaction, and index() at its end. What fails is given up
 * together with its connection.
 */
export class MessageWriter {
  readonly #keys: KeyRing | undefined
  readonly #upsert
  readonly #placeOf
  readonly #lastRow
  readonly #index
  /** The last row before those that wait for the index; undefined while none does. */
  #indexedUpTo: number | undefined
  readonly #unindexed = new Set<string>()

  constructor(db: Database, keys: KeyRing | undefined) {
    this.#keys = keys
    this.#upsert = db.prepare(
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
    this.#placeOf = messagePlacer(db)
    this.#lastRow = db.prepare<[], number | null>('SELECT max(row) FROM messages').pluck()
    this.#index = db.prepare<[number]>(
      'INSERT INTO messages_text (rowid, text) SELECT row, text FROM messages WHERE row > ?',
    )
  }

  write(given: ArchivedMessage): void {
    const message = given.seq === ANY_SEQ ? { ...given, seq: this.#placeOf(given) } : given
    const { room, seq, id, json } = message
    const { author, at, receivedAt, editedAt, deletedAt, text } = columnsOf(json)
    const { key, data, checksum } = sealMessage(this.#keys, message)
    const searched = key === null ? text : null
    const place = `${room} ${id}`
    // Its new state takes the words of the one before out of the index.
    if (this.#unindexed.has(place)) this.index()
    this.#indexedUpTo ??= this.#lastRow.get() ?? 0
    this.#upsert.run(room, seq, id, author, at, receivedAt, editedAt, deletedAt, searched, key, data, checksum)
    this.#unindexed.add(place)
  }

  /** All at once: FTS5 writes out what it was given before each statement that could be undone by itself. */
  index(): void {
    if (this.#indexedUpTo === undefined) return
    this.#index.run(this.#indexedUpTo)
    this.#indexedUpTo = undefined
    this.#unindexed.clear()
  }
}

/** Returns a function that tells where the message of an id is, or where it would be next. */
function messagePlacer(db: Database): (message: ArchivedMessage) => number {
  const known = db.prepare<[string, string], number>('SELECT seq FROM messages WHERE room = ? AND id = ?').pluck()
  const lastSeq = db.prepare<[string], number | null>(`SELECT max(seq) FROM messages WHERE room = ${UNPLANNED}`).pluck()
  return ({ room, id }) => known.get(room, id) ?? (lastSeq.get(room) ?? 0) + 1
}

/** Returns a function that reads a page of a room's messages, lowest `seq` first. */
export function messagePager(
  db: Database,
  keys: KeyRing | undefined,
): (options: { room: string; before: number; limit: number }) => StoredMessage[] {
  const select = db
    .prepare<[string, number, number], unknown[]>(
      `SELECT ${MESSAGE_COLUMNS} FROM messages
       WHERE room = ${UNPLANNED} AND seq < ? ORDER BY seq DESC LIMIT ${UNPLANNED}`,
    )
    .raw()
  return ({ room, before, limit }) =>
    select
      .all(room, before, limit)
      .map((values) => parseMessage(keys, room, values))
      .reverse()
}

/** Returns a function that reads a page of all rooms' messages, in the order they came, behind the row `after`. */
export function archivePager(
  db: Database,
  keys: KeyRing | undefined,
): (options: { after: number; limit: number }) => SearchReply {
  const select = db
    .prepare<[number, number], unknown[]>(
      `SELECT ${MESSAGE_COLUMNS}, room, row FROM messages WHERE row > ? ORDER BY row LIMIT ?`,
    )
    .raw()
  return ({ after, limit }) => {
    const rows = select.all(after, limit)
    const messages = rows.map((values) => parseMessage(keys, values.at(-2), values))
    return { messages, next: rows.length < limit ? undefined : Number(rows.at(-1)?.at(-1)) }
  }
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

/** Returns a function that tells whether a room is as the writer of these messages expects; indexes alone answer. */
export function expectationCheck(
  db: Database,
): (expected: ExpectedRoom, messages: readonly ArchivedMessage[]) => boolean {
  const lastSeq = db.prepare<[string], unknown>(`SELECT max(seq) FROM messages WHERE room = ${UNPLANNED}`).pluck()
  const knownIds = messageProbe(db)
  return (expected, messages) => {
    if (expected.lastSeq !== undefined && (lastSeq.get(expected.room) ?? 0) !== expected.lastSeq) return false
    const ids = messages.filter(({ room }) => room === expected.room).map(({ id }) => id)
    return knownIds(expected.room, ids).length === 0
  }
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
