import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { MESSAGE_COLUMNS, parseMessage, type StoredMessage } from '../stored-message.ts'
import type { SearchReply } from './message-replies.ts'

/** Messages that one search looks at, at most. */
const MAX_SCANNED = 5_000
const MAX_WORDS = 16

export interface Search {
  readonly query: string
  readonly room: string | undefined
  readonly except: readonly string[]
  /** The row behind the newest one to look at. */
  readonly before: number
  readonly limit: number
}

/** Returns a function that searches the texts of messages, newest first. */
export function messageSearcher(db: Database, keys: KeyRing | undefined): (search: Search) => SearchReply {
  // FTS5 minds a bound of its rowid only if it is an integer, and JavaScript's big numbers are bound as floats.
  const select = db
    .prepare<[string, number], unknown[]>(
      `SELECT ${MESSAGE_COLUMNS}, room, row FROM messages_text JOIN messages ON row = messages_text.rowid
       WHERE messages_text MATCH ? AND messages_text.rowid < CAST(? AS INTEGER) ORDER BY messages_text.rowid DESC`,
    )
    .raw()
  return ({ query, room, except, before, limit }) => {
    const expression = expressionOf(query)
    const messages: StoredMessage[] = []
    if (expression === undefined) return { messages, next: undefined }
    const left = new Set<unknown>(except)
    let scanned = 0
    for (const values of select.iterate(expression, before)) {
      const [, , , , , found, row] = values
      const isWanted = room === undefined ? !left.has(found) : found === room
      if (isWanted) messages.push(parseMessage(keys, found, values))
      scanned += 1
      if (messages.length === limit || scanned === MAX_SCANNED) return { messages, next: Number(row) }
    }
    return { messages, next: undefined }
  }
}

/**
 * What a person typed as an FTS5 query: each word quoted, so that none is an operator, all of them wanted, the last
 * one as a prefix. A word such as `well-known` is several to FTS5, which must then stand side by side. Undefined when
 * there is no word in it.
 */
export function expressionOf(query: string): string | undefined {
  const words = query
    .split(/[\s\p{C}]+/u)
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
    .slice(0, MAX_WORDS)
    .map((word) => `"${word.replaceAll('"', '""')}"`)
  return words.length === 0 ? undefined : `${words.join(' AND ')}*`
}
