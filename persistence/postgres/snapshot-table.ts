import type { DocumentKey, DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { Snapshot } from '../snapshot-builder.ts'
import {
  epochOf,
  joinParts,
  missingBase,
  NO_SNAPSHOT,
  newSnapshot,
  parseSnapshot,
  partOf,
  SNAPSHOT_COLUMNS,
  type SnapshotRecord,
  sealPart,
  snapshotChecksum,
  tailStart,
} from '../snapshot-record.ts'
import type { Session } from './session.ts'

/** Reads and verifies a whole snapshot. @throws {StorageError} as joinParts() */
export async function readSnapshot(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentKey,
  record: SnapshotRecord,
): Promise<Uint8Array> {
  const rows = await session.rows(
    'SELECT part, key, data, checksum FROM coweave.snapshot_parts WHERE snapshot = $1 ORDER BY part',
    [record.id],
  )
  return joinParts(keys, document, record, rows)
}

/** Makes it the document's snapshot in place of those before; call it inside a transaction. */
export async function replaceSnapshot(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentRecord,
  snapshot: Snapshot,
): Promise<void> {
  await session.rows(
    `WITH old AS (DELETE FROM coweave.snapshots WHERE document = $1 AND position = $2 RETURNING id)
     DELETE FROM coweave.snapshot_parts WHERE snapshot IN (SELECT id FROM old)`,
    [document.id, document.position],
  )
  await addSnapshot(session, keys, { document, position: document.position, logBytes: document.bytes, ...snapshot })
  await retireSnapshots(session, document)
}

export interface NewSnapshot extends Snapshot {
  readonly document: DocumentKey
  readonly position: number
  readonly logBytes: number
}

export async function addSnapshot(
  session: Session,
  keys: KeyRing | undefined,
  { document, position, logBytes, state, vector }: NewSnapshot,
): Promise<void> {
  const record = newSnapshot({ position, logBytes }, { state, vector })
  for (let part = 0; part < record.parts; part++) {
    const { key, data, checksum } = sealPart(keys, document, record, part, partOf(state, part))
    await session.rows(
      'INSERT INTO coweave.snapshot_parts (snapshot, part, key, data, checksum) VALUES ($1, $2, $3, $4, $5)',
      [record.id, part, key, data, checksum],
    )
  }
  await session.rows(
    `INSERT INTO coweave.snapshots (id, document, position, bytes, log_bytes, parts, vector, checksum)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      record.id,
      document.id,
      position,
      record.bytes,
      logBytes,
      record.parts,
      vector ?? null,
      snapshotChecksum(document.id, record),
    ],
  )
}

/** Deletes those of a document's snapshots that nothing needs: all but the newest and the one its history begins at. */
export async function retireSnapshots(session: Session, { id }: DocumentKey): Promise<void> {
  await session.rows(
    `WITH old AS (
       DELETE FROM coweave.snapshots WHERE document = $1
         AND position < (SELECT max(position) FROM coweave.snapshots WHERE document = $1)
         AND position IS DISTINCT FROM (SELECT forgotten FROM coweave.documents WHERE id = $1)
       RETURNING id)
     DELETE FROM coweave.snapshot_parts WHERE snapshot IN (SELECT id FROM old)`,
    [id],
  )
}

/**
 * The newest snapshot of a document that is not above a position, and of the same epoch; NO_SNAPSHOT if there is none. The
 * position must not be below that up to which rows are forgotten.
 */
export async function findSnapshot(
  session: Session,
  document: DocumentRecord,
  atMost: number,
): Promise<SnapshotRecord> {
  const [values] = await session.rows(
    `SELECT ${SNAPSHOT_COLUMNS} FROM coweave.snapshots WHERE document = $1 AND position BETWEEN $2 AND $3
     ORDER BY position DESC LIMIT 1`,
    [document.id, epochOf(document, atMost), atMost],
  )
  const snapshot = values === undefined ? NO_SNAPSHOT : parseSnapshot(document, values)
  if (tailStart(document, snapshot, atMost) < document.forgotten) throw missingBase(document)
  return snapshot
}
