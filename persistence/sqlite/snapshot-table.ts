import type { Database } from 'better-sqlite3'
import type { DocumentKey, DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import {
  epochOf,
  joinParts,
  missingBase,
  NO_SNAPSHOT,
  parseSnapshot,
  SNAPSHOT_COLUMNS,
  type SnapshotRecord,
  sealPart,
  tailStart,
} from '../snapshot-record.ts'
import { UNPLANNED } from './unplanned.ts'

/**
 * Returns a function that finds a document's newest complete snapshot that is not above a position, and of the same epoch;
 * NO_SNAPSHOT if there is none. The position must not be below that up to which rows are forgotten.
 */
export function snapshotFinder(db: Database): (document: DocumentRecord, atMost?: number) => SnapshotRecord {
  const find = db
    .prepare<[number, number, number], unknown[]>(
      `SELECT ${SNAPSHOT_COLUMNS} FROM snapshots
       WHERE document = ${UNPLANNED} AND complete = 1 AND position BETWEEN ? AND ? ORDER BY position DESC LIMIT 1`,
    )
    .raw()
  return (document, atMost = document.position) => {
    const values = find.get(document.id, epochOf(document, atMost), atMost)
    const snapshot = values === undefined ? NO_SNAPSHOT : parseSnapshot(document, values)
    if (tailStart(document, snapshot, atMost) < document.forgotten) throw missingBase(document)
    return snapshot
  }
}

/** Returns a function that reads and verifies a whole snapshot. */
export function snapshotReader(
  db: Database,
  keys: KeyRing | undefined,
): (document: DocumentKey, record: SnapshotRecord) => Uint8Array {
  const select = db
    .prepare<[number], unknown[]>(
      `SELECT part, key, data, checksum FROM snapshot_parts WHERE snapshot = ${UNPLANNED} ORDER BY part`,
    )
    .raw()
  return (document, record) => joinParts(keys, document, record, select.iterate(record.id))
}

/** Returns a function that adds one part to a snapshot being written; false if that snapshot has been given up. */
export function partInserter(
  db: Database,
  keys: KeyRing | undefined,
): (document: DocumentKey, record: SnapshotRecord, part: number, plain: Uint8Array) => boolean {
  const insert = db.prepare<[number, number, string | null, Uint8Array, number, number]>(
    `INSERT INTO snapshot_parts (snapshot, part, key, data, checksum)
     SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM snapshots WHERE id = ?)`,
  )
  return (document, record, part, plain) => {
    const { key, data, checksum } = sealPart(keys, document, record, part, plain)
    return insert.run(record.id, part, key, data, checksum, record.id).changes === 1
  }
}
