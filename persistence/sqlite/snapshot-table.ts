import type { Database } from 'better-sqlite3'
import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import {
  joinParts,
  NO_SNAPSHOT,
  parseSnapshot,
  SNAPSHOT_COLUMNS,
  type SnapshotRecord,
  sealPart,
} from '../snapshot-record.ts'

/** Returns a function that finds a document's newest complete snapshot, NO_SNAPSHOT if there is none. */
export function snapshotFinder(db: Database): (document: DocumentKey) => SnapshotRecord {
  const find = db
    .prepare<[number], unknown[]>(
      `SELECT ${SNAPSHOT_COLUMNS} FROM snapshots
       WHERE document = ? AND complete = 1 ORDER BY position DESC LIMIT 1`,
    )
    .raw()
  return (document) => {
    const values = find.get(document.id)
    return values === undefined ? NO_SNAPSHOT : parseSnapshot(document, values)
  }
}

/** Returns a function that reads and verifies a whole snapshot. */
export function snapshotReader(
  db: Database,
  keys: KeyRing | undefined,
): (document: DocumentKey, record: SnapshotRecord) => Uint8Array {
  const select = db
    .prepare<[number], unknown[]>(
      'SELECT part, key, data, checksum FROM snapshot_parts WHERE snapshot = ? ORDER BY part',
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
