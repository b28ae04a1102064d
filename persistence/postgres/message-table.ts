import type { KeyRing } from '../encryption.ts'
import type { ArchivedMessage, ArchivePage } from '../message-store.ts'
import { MESSAGE_COLUMNS, parseMessage, sealMessage } from '../stored-message.ts'
import { tsvectorOf } from '../words.ts'
import { lockRooms } from './locked-rooms.ts'
import { type Session, toBytes, toText } from './session.ts'

/** Stores messages by the rules of append(); call it inside a transaction. */
export async function restoreMessages(
  session: Session,
  keys: KeyRing | undefined,
  messages: readonly ArchivedMessage[],
): Promise<void> {
  const rooms = await lockRooms(session, [{ messages }])
  rooms.add(messages)
  await storeMessages(session, keys, rooms.added())
}

/** Reads a page of a room's messages, lowest `seq` first. */
export async function pageOfMessages(
  session: Session,
  keys: KeyRing | undefined,
  { room, before, limit }: { readonly room: string; readonly before: number; readonly limit: number },
): Promise<ArchivedMessage[]> {
  const rows = await session.rows(
    `SELECT ${MESSAGE_COLUMNS} FROM coweave.messages WHERE room = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3`,
    [room, before, limit],
  )
  return rows.map((values) => toMessage(keys, room, values)).reverse()
}

/** Reads a page of all rooms' messages, in the order they came, behind the entry `after`. */
export async function pageOfArchive(
  session: Session,
  keys: KeyRing | undefined,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<ArchivePage> {
  const rows = await session.rows(
    `SELECT entry, room, ${MESSAGE_COLUMNS} FROM coweave.messages WHERE entry > $1 ORDER BY entry LIMIT $2`,
    [after, limit],
  )
  const messages = rows.map(([, room, ...values]) => toMessage(keys, room, values))
  return { messages, next: rows.length < limit ? undefined : Number(rows.at(-1)?.[0]) }
}

/** Reads the message of an id, if there is one. */
export async function findMessage(
  session: Session,
  keys: KeyRing | undefined,
  room: string,
  id: string,
): Promise<ArchivedMessage | undefined> {
  const [values] = await session.rows(
    `SELECT ${MESSAGE_COLUMNS} FROM coweave.messages WHERE room = $1 AND sha256(id) = sha256($2)`,
    [room, toBytes(id)],
  )
  return values === undefined ? undefined : toMessage(keys, room, values)
}

/** Which of some ids messages of a room have. */
export async function knownIds(session: Session, room: string, ids: readonly string[]): Promise<Set<string>> {
  const wanted = [...new Set(ids)]
  const rows = await session.rows(
    `SELECT nth FROM unnest($2::bytea[]) WITH ORDINALITY AS given (id, nth)
     WHERE EXISTS (SELECT 1 FROM coweave.messages m WHERE m.room = $1 AND sha256(m.id) = sha256(given.id))`,
    [room, wanted.map(toBytes)],
  )
  return new Set(rows.flatMap(([nth]) => wanted[Number(nth) - 1] ?? []))
}

/** Verifies a row of MESSAGE_COLUMNS. @throws {StorageError} as parseMessage() */
export function toMessage(keys: KeyRing | undefined, room: unknown, values: readonly unknown[]): ArchivedMessage {
  const [seq, id, ...others] = values
  const { data, ...message } = parseMessage(keys, room, [seq, toText(id), ...others])
  return { ...message, json: Buffer.from(data.buffer, data.byteOffset, data.length).toString() }
}

/** The words that a message is found by, as tsvectorOf() writes them. */
export function searchedWords({ json }: ArchivedMessage): string {
  const { text }: Readonly<Record<string, unknown>> = JSON.parse(json)
  return tsvectorOf(typeof text === 'string' ? text : '')
}

/** Stores messages, or their new states; call it inside a transaction that has locked their rooms and found them free. */
export async function storeMessages(
  session: Session,
  keys: KeyRing | undefined,
  messages: readonly ArchivedMessage[],
): Promise<void> {
  if (messages.length === 0) return
  const sealed = messages.map((message) => sealMessage(keys, message))
  await session.rows(
    `INSERT INTO coweave.messages (room, seq, id, key, data, checksum, words)
     SELECT room, seq, id, key, data, checksum, words::tsvector
     FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[], $5::bytea[], $6::int[], $7::text[])
       WITH ORDINALITY AS given (room, seq, id, key, data, checksum, words, nth)
     ORDER BY nth
     ON CONFLICT (room, seq) DO UPDATE SET key = excluded.key, data = excluded.data, checksum = excluded.checksum,
       words = excluded.words`,
    [
      messages.map(({ room }) => room),
      messages.map(({ seq }) => seq),
      messages.map(({ id }) => toBytes(id)),
      sealed.map(({ key }) => key),
      sealed.map(({ data }) => data),
      sealed.map(({ checksum }) => checksum),
      messages.map((message) => (keys === undefined ? searchedWords(message) : null)),
    ],
  )
}
