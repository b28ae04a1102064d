import { randomInt } from 'node:crypto'
import type { DocumentKey, DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { joinParts, PART_BYTES, type SnapshotRecord, sealPart, snapshotChecksum } from '../snapshot-record.ts'
import type { Session } from './session.ts'

const MAX_ID = 2 ** 48 - 1

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

/** Makes `state` the document's snapshot in place of those before; call it inside a transaction. */
export async function replaceSnapshot(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentRecord,
  state: Uint8Array,
): Promise<void> {
  const record: SnapshotRecord = {
    id: randomInt(1, MAX_ID),
    position: document.position,
    bytes: state.length,
    logBytes: document.bytes,
    parts: Math.ceil(state.length / PART_BYTES),
  }
  for (let part = 0; part < record.parts; part++) {
    const plain = state.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
    const { key, data, checksum } = sealPart(keys, document, record, part, plain)
    await session.rows(
      'INSERT INTO coweave.snapshot_parts (snapshot, part, key, data, checksum) VALUES ($1, $2, $3, $4, $5)',
      [record.id, part, key, data, checksum],
    )
  }
  await session.rows(
    `WITH old AS (DELETE FROM coweave.snapshots WHERE document = $1 RETURNING id)
     DELETE FROM coweave.snapshot_parts WHERE snapshot IN (SELECT id FROM old)`,
    [document.id],
  )
  await session.rows(
    `INSERT INTO coweave.snapshots (id, document, position, bytes, log_bytes, parts, checksum)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      record.id,
      document.id,
      record.position,
      record.bytes,
      record.logBytes,
      record.parts,
      snapshotChecksum(document.id, record),
    ],
  )
}
