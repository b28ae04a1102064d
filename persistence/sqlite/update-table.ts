import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import type { LogRow } from '../update-log.ts'
import { checksum } from './checksum.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'

type DocumentKey = { readonly id: number; readonly name: string }

function context(document: DocumentKey, position: number, at: number, author: string): SealContext {
  return { kind: 'row', document: document.name, position, details: [at, author] }
}

function rowChecksum(documentId: number, position: number, at: number, author: string, sealed: SealedBytes): number {
  return checksum([documentId, position, at], author, sealed.key ?? '', sealed.data)
}

/** Returns a function that inserts one row; call it inside a transaction. */
export function rowInserter(db: Database, keys: KeyRing | undefined): (document: DocumentKey, row: LogRow) => void {
  const insert = db.prepare<[number, number, number, string, string | null, Uint8Array, number]>(
    'INSERT INTO updates (document, position, at, author, key, data, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  return (document, { position, at, author, data }) => {
    const sealed = seal(keys, data, context(document, position, at, author))
    const sum = rowChecksum(document.id, position, at, author, sealed)
    insert.run(document.id, position, at, author, sealed.key, sealed.data, sum)
  }
}

/**
 * Returns a function that reads the rows above `after` up to `until`, each one verified. A missing row is an error:
 * `until` must not be above the document's position.
 */
export function rowReader(
  db: Database,
  keys: KeyRing | undefined,
): (document: DocumentKey, after: number, until: number) => Generator<LogRow, void, undefined> {
  const select = db
    .prepare<[number, number, number], unknown[]>(
      `SELECT position, at, author, key, data, checksum FROM updates
       WHERE document = ? AND position > ? AND position <= ? ORDER BY position`,
    )
    .raw()
  return function* rows(document, after, until) {
    let expected = after + 1
    for (const values of select.iterate(document.id, after, until)) {
      const row = parseRow(keys, document, values, expected)
      expected++
      yield row
    }
    if (expected <= until) throw missingRow(document, expected)
  }
}

function parseRow(
  keys: KeyRing | undefined,
  document: DocumentKey,
  values: readonly unknown[],
  expected: number,
): LogRow {
  const [position, at, author, key, data, sum] = values
  if (
    typeof position === 'number' &&
    typeof at === 'number' &&
    typeof author === 'string' &&
    (key === null || typeof key === 'string') &&
    data instanceof Uint8Array
  ) {
    if (position !== expected) throw missingRow(document, expected)
    if (rowChecksum(document.id, position, at, author, { key, data }) === sum) {
      return { position, at, author, data: unseal(keys, { key, data }, context(document, position, at, author)) }
    }
  }
  throw new StorageError('storage/corrupt', `${document.name}: bad checksum at position ${expected}`)
}

function missingRow(document: DocumentKey, position: number): StorageError {
  return new StorageError('storage/corrupt', `${document.name}: the row at position ${position} is missing`)
}
