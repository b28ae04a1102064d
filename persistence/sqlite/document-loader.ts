import type { Database } from 'better-sqlite3'
import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { SnapshotSource } from '../snapshot-builder.ts'
import { type SnapshotRecord, tailStart } from '../snapshot-record.ts'
import type { LogRow } from '../update-log.ts'
import { documentFinder } from './document-table.ts'
import { snapshotFinder, snapshotReader } from './snapshot-table.ts'
import { toStorageError } from './sqlite-errors.ts'
import { rowReader } from './update-table.ts'

/** One consistent look at a document. Good only inside the callback it is given to. */
export interface LoadedDocument {
  readonly record: DocumentRecord
  /** NO_SNAPSHOT if there is none. */
  readonly snapshot: SnapshotRecord
  readSnapshot(): Uint8Array
  /** Each row after the snapshot, from where the content begins. */
  tail(): Iterable<LogRow>
}

/**
 * Returns a function that looks at a document in one read transaction, undefined for an unknown one. Whatever is
 * damaged or missing is an error that names the document; nothing is skipped.
 */
export function documentLoader(
  db: Database,
  keys: KeyRing | undefined,
): <T>(name: string, look: (document: LoadedDocument | undefined) => T) => T {
  const find = documentFinder(db)
  const findSnapshot = snapshotFinder(db)
  const readSnapshot = snapshotReader(db, keys)
  const rows = rowReader(db, keys)
  return (name, look) => {
    try {
      return db.transaction(() => {
        const record = find(name)
        if (record === undefined) return look(undefined)
        const snapshot = findSnapshot(record)
        return look({
          record,
          snapshot,
          readSnapshot: () => readSnapshot(record, snapshot),
          tail: () => rows(record, tailStart(record, snapshot), record.position),
        })
      })()
    } catch (error) {
      throw toStorageError(error, `${name}: reading`)
    }
  }
}

/** What a snapshot is made from. */
export function readSource({ record, snapshot, readSnapshot, tail }: LoadedDocument): SnapshotSource {
  const first = snapshot.position > 0 ? [{ position: snapshot.position, data: readSnapshot() }] : []
  return { name: record.name, parts: [...first, ...tail()] }
}
