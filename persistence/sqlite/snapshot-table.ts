import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { StorageError } from '../storage-error.ts'
import { checksum } from './checksum.ts'
import { type SealContext, seal, unseal } from './sealed-bytes.ts'

type DocumentKey = { readonly id: number; readonly name: string }

/** A row of `snapshots`. */
export interface SnapshotRecord {
  readonly id: number
  readonly position: number
  readonly bytes: number
  /** Plain bytes of all rows up to `position`. */
  readonly logBytes: number
  readonly parts: number
}

/** Stands for "no snapshot", so that sums over the tail need no special case. */
export const NO_SNAPSHOT: SnapshotRecord = { id: 0, position: 0, bytes: 0, logBytes: 0, parts: 0 }

export function snapshotChecksum(documentId: number, record: SnapshotRecord): number {
  return checksum([documentId, record.id, record.position, record.bytes, record.logBytes, record.parts])
}

function context(document: DocumentKey, record: SnapshotRecord, part: number): SealContext {
  return { kind: 'snapshot', document: document.name, position: record.position, details: [part, record.parts] }
}

/** Returns a function that finds a document's newest complete snapshot, NO_SNAPSHOT if there is none. */
export function snapshotFinder(db: Database): (document: DocumentKey) => SnapshotRecord {
  const find = db
    .prepare<[number], unknown[]>(
      `SELECT id, position, bytes, log_bytes, parts, checksum FROM snapshots
       WHERE document = ? AND complete = 1 ORDER BY position DESC LIMIT 1`,
    )
    .raw()
  return (document) => {
    const values = find.get(document.id)
    if (values === undefined) return NO_SNAPSHOT
    const [id, position, bytes, logBytes, parts, sum] = values
    if (
      typeof id === 'number' &&
      typeof position === 'number' &&
      typeof bytes === 'number' &&
      typeof logBytes === 'number' &&
      typeof parts === 'number'
    ) {
      const record = { id, position, bytes, logBytes, parts }
      if (snapshotChecksum(document.id, record) === sum) return record
    }
    throw damaged(document, position)
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
  return (document, record) => {
    const state = new Uint8Array(record.bytes)
    let offset = 0
    let expected = 0
    for (const [part, key, data, sum] of select.iterate(record.id)) {
      const valid =
        part === expected &&
        (key === null || typeof key === 'string') &&
        data instanceof Uint8Array &&
        checksum([record.id, part], key ?? '', data) === sum
      if (!valid) throw damaged(document, record.position)
      const plain = unseal(keys, { key, data }, context(document, record, part))
      if (offset + plain.length > state.length) throw damaged(document, record.position)
      state.set(plain, offset)
      offset += plain.length
      expected++
    }
    if (expected !== record.parts || offset !== record.bytes) throw damaged(document, record.position)
    return state
  }
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
    const { key, data } = seal(keys, plain, context(document, record, part))
    const sum = checksum([record.id, part], key ?? '', data)
    return insert.run(record.id, part, key, data, sum, record.id).changes === 1
  }
}

function damaged(document: DocumentKey, position: unknown): StorageError {
  return new StorageError('storage/corrupt', `${document.name}: the snapshot at position ${position} is damaged`)
}
