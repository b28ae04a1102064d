import type { Database } from 'better-sqlite3'
import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { LogRow } from '../update-log.ts'
import { ROW_COLUMNS, sealRow, verifiedRows } from '../update-row.ts'
import { packSelector } from './pack-table.ts'
import { UNPLANNED } from './unplanned.ts'

/** Returns a function that inserts one row; call it inside a transaction. */
export function rowInserter(db: Database, keys: KeyRing | undefined): (document: DocumentKey, row: LogRow) => void {
  const insert = db.prepare<[number, number, number, string, string | null, Uint8Array, number]>(
    'INSERT INTO updates (document, position, at, author, key, data, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  return (document, row) => {
    const { key, data, checksum } = sealRow(keys, document, row)
    insert.run(document.id, row.position, row.at, row.author, key, data, checksum)
  }
}

/** Returns a function that reads the rows above `after` up to `until`, each one verified; call it inside a transaction. */
export function rowReader(
  db: Database,
  keys: KeyRing | undefined,
): (document: DocumentKey, after: number, until: number) => Generator<LogRow, void, undefined> {
  const select = db
    .prepare<[number, number, number], unknown[]>(
      `SELECT ${ROW_COLUMNS} FROM updates
       WHERE document = ${UNPLANNED} AND position > ? AND position <= ? ORDER BY position`,
    )
    .raw()
  const selectPacks = packSelector(db)
  return (document, after, until) =>
    verifiedRows(
      keys,
      document,
      { after, until },
      { rows: select.iterate(document.id, after, until), packs: selectPacks(document.id, after, until) },
    )
}
