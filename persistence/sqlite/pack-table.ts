import type { Database } from 'better-sqlite3'
import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { MAX_PACK_ROWS, openPack, PACK_COLUMNS, type SealedPack, sealPack } from '../row-pack.ts'
import { UNPLANNED } from './unplanned.ts'

/** Returns a function that goes through the packs that have rows above `after` and up to `until`; see openPack(). */
export function packSelector(
  db: Database,
): (document: number, after: number, until: number) => IterableIterator<unknown[]> {
  const select = db
    .prepare<[number, number, number, number], unknown[]>(
      `SELECT ${PACK_COLUMNS} FROM packs
       WHERE document = ${UNPLANNED} AND last > ? AND last < ? AND first <= ? ORDER BY last`,
    )
    .raw()
  return (document, after, until) => select.iterate(document, after, until + MAX_PACK_ROWS, until)
}

/**
 * Returns a function that writes the pack anew that holds rows up to the position `forgotten` and rows behind it, without
 * the former, and tells whether there was one; call it inside a transaction.
 */
export function packCutter(
  db: Database,
  keys: KeyRing | undefined,
): (document: DocumentKey, forgotten: number) => boolean {
  const select = packSelector(db)
  const remove = db.prepare<[number, number]>('DELETE FROM packs WHERE document = ? AND last = ?')
  const insert = packInserter(db)
  return (document, forgotten) => {
    const [values] = [...select(document.id, forgotten, forgotten)]
    if (values === undefined) return false
    const rows = openPack(keys, document, values)
    const kept = sealPack(
      keys,
      document,
      rows.filter(({ position }) => position > forgotten),
    )
    remove.run(document.id, kept.last)
    insert(document, kept)
    return true
  }
}

/** Returns a function that inserts a pack; call it inside the transaction that deletes the rows in it. */
export function packInserter(db: Database): (document: DocumentKey, pack: SealedPack) => void {
  const insert = db.prepare<[number, number, number, number, string | null, Uint8Array, number]>(
    'INSERT INTO packs (document, first, last, at, key, data, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  return ({ id }, { first, last, at, key, data, checksum }) => {
    insert.run(id, first, last, at, key, data, checksum)
  }
}
