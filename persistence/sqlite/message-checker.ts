import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import { MESSAGE_COLUMNS, parseMessage } from '../stored-message.ts'
import type { Damage } from '../update-log.ts'
import { columnsOf } from './message-table.ts'
import { pagedRows } from './row-check.ts'

/** Each damaged message of the archive, and each whose columns don't say what it says itself. */
export function* messageDamages(db: Database, keys: KeyRing | undefined): Generator<Damage, void, undefined> {
  const columns = `${MESSAGE_COLUMNS}, author, at, received_at, edited_at, deleted_at, text, room`
  for (const values of pagedRows(db, { table: 'messages', columns, key: 'row' })) {
    const room = values.at(-2)
    const problem = problemOf(keys, room, values)
    if (problem !== undefined) yield { document: String(room), position: undefined, problem }
  }
}

function problemOf(keys: KeyRing | undefined, room: unknown, values: readonly unknown[]): string | undefined {
  try {
    const { seq, data } = parseMessage(keys, room, values)
    const { author, at, receivedAt, editedAt, deletedAt, text } = columnsOf(Buffer.from(data).toString())
    const isEncrypted = values[2] !== null
    const expected = [author, at, receivedAt, editedAt, deletedAt, isEncrypted ? null : text]
    if (expected.every((value, index) => value === values[index + 5])) return undefined
    return `${String(room)}: the columns of the message with seq ${seq} differ from what it holds`
  } catch (error) {
    if (error instanceof StorageError) return error.message
    return `${String(room)}: the message with seq ${String(values[0])} is not JSON`
  }
}
