import type { DocumentFigures } from './admin-store.ts'
import { type DocumentRecord, deletionOf } from './document-record.ts'
import { type SnapshotRecord, tailWeight } from './snapshot-record.ts'

/** What admins see of a document in the log. */
export function figuresOf(record: DocumentRecord, snapshot: SnapshotRecord): DocumentFigures {
  const { createdAt, updatedAt, position, forgotten, bytes, tombstone } = record
  return {
    createdAt,
    updatedAt,
    position,
    forgotten,
    bytes,
    snapshot: { position: snapshot.position, bytes: snapshot.bytes },
    tailBytes: tailWeight(record, snapshot).tailBytes,
    deleted: tombstone && deletionOf(tombstone),
  }
}
