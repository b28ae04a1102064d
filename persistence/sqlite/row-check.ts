import type { Database } from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'
import type { Damage } from '../update-log.ts'

/** Read at once: nothing is held open between two answers of a check. */
const PAGE_ROWS = 500

/** A table, and its column of ascending numbers. */
export interface CheckedTable {
  readonly table: string
  readonly columns: string
  readonly key: string
}

/** All rows of a table, each with its key behind its columns. */
export function* pagedRows(
  db: Database,
  { table, columns, key }: CheckedTable,
): Generator<readonly unknown[], void, undefined> {
  const select = db
    .prepare<[unknown], unknown[]>(
      `SELECT ${columns}, ${key} FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ${PAGE_ROWS}`,
    )
    .raw()
  for (let last: unknown = Number.NEGATIVE_INFINITY; ; ) {
    const page = select.all(last)
    yield* page
    if (page.length < PAGE_ROWS) return
    last = page.at(-1)?.at(-1)
  }
}

/** What `parse` finds damaged of these rows. */
export function* damagesOf(
  rows: Iterable<readonly unknown[]>,
  parse: (values: readonly unknown[]) => unknown,
): Generator<Damage, void, undefined> {
  for (const values of rows) {
    try {
      parse(values)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      yield { document: undefined, position: undefined, problem: error.message }
    }
  }
}
