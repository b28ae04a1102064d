import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import { MESSAGE_COLUMNS, parseMessage } from '../stored-message.ts'
import type { Damage } from '../update-log.ts'
import { columnsOf } from './message-table.ts'

/** Rows read at once: nothing is held open between two answers of a check. */
const PAGE_ROWS = 500

/** Each damaged message of the archive, and each whose columns don't say what it says itself. */
export function* messageDamages(db: Database, keys: KeyRing | undefined): Generator<Damage, void, undefined> {
  const select = db
    .prepare<[unknown], unknown[]>(
      `SELECT ${MESSAGE_COLUMNS}, author, at, received_at, edited_at, deleted_at, text, room, row FROM messages
       WHERE row > ? ORDER BY row LIMIT ${PAGE_ROWS}`,
    )
    .raw()
  for (let last: unknown = 0; ; ) {
    const page = select.all(last)
    for (const values of page) {
      const room = values.at(-2)
      last = values.at(-1)
      const problem = problemOf(keys, room, values)
      if (problem !== undefined) yield { document: String(room), position: undefined, problem }
    }
    if (page.length < PAGE_ROWS) return
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
