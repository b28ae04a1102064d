import type { Database } from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'
import { MESSAGE_COLUMNS, parseMessage } from '../stored-message.ts'
import { columnsOf } from './message-table.ts'
import type { WordIndex } from './word-merger.ts'

const PAGE_ROWS = 500
const INDEXES: readonly WordIndex[] = ['messages_text', 'texts_words']

/**
 * Does as TextIndex.rebuild() says; call it inside a transaction. The indexes are made anew as a whole, by the words that
 * made them: with damage in one, FTS5 can neither take an entry out nor empty it. Until then nothing writes into them.
 */
export function rebuildTexts(db: Database): number {
  const indexes = INDEXES.map((name) => sqlOf(db, 'table', name))
  const triggers = ['messages', 'texts'].flatMap((table) => triggersOf(db, table))
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`)
  for (const name of INDEXES) db.exec(`DROP TABLE ${name}`)
  db.exec('DELETE FROM texts; DELETE FROM text_states')
  const messages = correctMessages(db)
  for (const sql of indexes) db.exec(sql)
  for (const name of INDEXES) db.exec(`INSERT INTO ${name} (${name}) VALUES ('rebuild')`)
  for (const { sql } of triggers) db.exec(sql)
  return messages
}

/** What messages are searched by is copied out of them. Returns how many there are. */
function correctMessages(db: Database): number {
  const select = db
    .prepare<[number], unknown[]>(
      `SELECT ${MESSAGE_COLUMNS}, text, room, row FROM messages WHERE row > ? ORDER BY row LIMIT ${PAGE_ROWS}`,
    )
    .raw()
  const correct = db.prepare<[string, unknown]>('UPDATE messages SET text = ? WHERE row = ?')
  let messages = 0
  for (let last = 0; ; ) {
    const page = select.all(last)
    for (const values of page) {
      const [, , , , , text, room, row] = values
      last = Number(row)
      const said = textOf(room, values)
      if (said === undefined) continue
      messages += 1
      if (said !== text) correct.run(said, row)
    }
    if (page.length < PAGE_ROWS) return messages
  }
}

/** Undefined for a damaged message, which is found by what it was found by before: a check names it. */
function textOf(room: unknown, values: readonly unknown[]): string | undefined {
  try {
    const { data } = parseMessage(undefined, room, values)
    return columnsOf(Buffer.from(data).toString()).text
  } catch (error) {
    if (error instanceof StorageError || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** @throws {StorageError} `storage/corrupt` */
function sqlOf(db: Database, type: string, name: string): string {
  const find = db.prepare<[string, string], unknown>('SELECT sql FROM sqlite_schema WHERE type = ? AND name = ?')
  const sql = find.pluck().get(type, name)
  if (typeof sql === 'string') return sql
  throw new StorageError('storage/corrupt', `the database has no ${type} "${name}"; restore it from a backup`)
}

function triggersOf(db: Database, table: string): { readonly name: string; readonly sql: string }[] {
  const find = db.prepare<[string], unknown>(`SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?`)
  return find
    .pluck()
    .all(table)
    .map((name) => ({ name: String(name), sql: sqlOf(db, 'trigger', String(name)) }))
}
