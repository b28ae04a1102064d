import { checksum } from './checksum.ts'
import type { DocumentKey } from './document-record.ts'
import type { KeyRing } from './encryption.ts'
import { openPack } from './row-pack.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'
import { StorageError } from './storage-error.ts'
import type { LogRow } from './update-log.ts'

/** A row's bytes as they are stored, with the checksum over all of the row. */
export interface SealedRow extends SealedBytes {
  readonly checksum: number
}

/** What verifiedRows() takes. */
export const ROW_COLUMNS = 'position, at, author, key, data, checksum'

function context(document: DocumentKey, position: number, at: number, author: string): SealContext {
  return { kind: 'row', document: document.name, position, details: [at, author] }
}

function rowChecksum(documentId: number, position: number, at: number, author: string, sealed: SealedBytes): number {
  return checksum([documentId, position, at], author, sealed.key ?? '', sealed.data)
}

export function sealRow(keys: KeyRing | undefined, document: DocumentKey, row: LogRow): SealedRow {
  const { position, at, author, data } = row
  const sealed = seal(keys, data, context(document, position, at, author))
  return { ...sealed, checksum: rowChecksum(document.id, position, at, author, sealed) }
}

/** What verifiedRows() makes rows of: ROW_COLUMNS and PACK_COLUMNS, each in the order of their positions. */
export interface StoredRows {
  readonly rows: Iterable<readonly unknown[]>
  /** Also those that have only some of the rows wanted. */
  readonly packs: Iterable<readonly unknown[]>
}

/**
 * Verifies a document's rows from `after` to `until`, packed or not, one by one as they are taken. A missing row is an
 * error: `until` must not be above the document's position.
 * @throws {StorageError} `storage/corrupt` or `storage/key`, naming document and position
 */
export function* verifiedRows(
  keys: KeyRing | undefined,
  document: DocumentKey,
  { after, until }: { readonly after: number; readonly until: number },
  stored: StoredRows,
): Generator<LogRow, void, undefined> {
  const [rows, packs] = [stored.rows[Symbol.iterator](), stored.packs[Symbol.iterator]()]
  try {
    let [row, pack] = [rows.next(), packs.next()]
    for (let expected = after + 1; expected <= until; ) {
      if (!pack.done && (row.done || Number(pack.value[0]) <= Number(row.value[0]))) {
        for (const packed of openPack(keys, document, pack.value)) {
          if (packed.position <= after || packed.position > until) continue
          if (packed.position !== expected) throw missingRow(document, expected)
          expected++
          yield packed
        }
        pack = packs.next()
      } else {
        if (row.done) throw missingRow(document, expected)
        const parsed = parseRow(keys, document, row.value, expected)
        expected++
        yield parsed
        row = rows.next()
      }
    }
  } finally {
    // Statements that are read to no end keep their database busy.
    rows.return?.()
    packs.return?.()
  }
}

/** Verifies one row, whichever it is. @throws {StorageError} as verifiedRows() */
export function verifiedRow(keys: KeyRing | undefined, document: DocumentKey, values: readonly unknown[]): LogRow {
  return parseRow(keys, document, values, Number(values[0]))
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
