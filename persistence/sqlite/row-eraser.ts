import type { Database } from 'better-sqlite3'

/** What one transaction erases, at most. */
const STEP_ROWS = 500
const STEP_BYTES = 1024 * 1024

/**
 * Returns a function that erases the first rows of what `owner` has, up to the number `until`, and tells whether there
 * were any; call it inside a transaction of its own.
 */
export function rowEraser<Owner extends string | number>(
  db: Database,
  table: 'updates' | 'packs' | 'messages',
  owner: 'document' | 'room',
  number: 'position' | 'last' | 'seq',
): (of: Owner, until?: number) => boolean {
  const select = db
    .prepare<[Owner, number], [number, number]>(
      `SELECT ${number}, length(data) FROM ${table} WHERE ${owner} = ? AND ${number} <= ?
       ORDER BY ${number} LIMIT ${STEP_ROWS}`,
    )
    .raw()
  const erase = db.prepare<[Owner, number]>(`DELETE FROM ${table} WHERE ${owner} = ? AND ${number} <= ?`)
  return (of, until = Number.MAX_SAFE_INTEGER) => {
    let [last, bytes] = [0, 0]
    for (const [at, length] of select.all(of, until)) {
      last = at
      bytes += length
      if (bytes > STEP_BYTES) break
    }
    return erase.run(of, last).changes > 0
  }
}
