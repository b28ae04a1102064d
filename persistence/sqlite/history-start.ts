import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import type { ForgettablePage, HistoryBase, HistoryStart } from '../retention.ts'
import { missingBase } from '../snapshot-record.ts'
import { documentFinder } from './document-table.ts'
import { snapshotFinder, snapshotReader } from './snapshot-table.ts'

/** What a reader tells about where the history of documents begins; see Retention. */
export function historyStartReader(db: Database, keys: KeyRing | undefined) {
  const find = documentFinder(db)
  const findSnapshot = snapshotFinder(db)
  const readSnapshot = snapshotReader(db, keys)
  const look = db
    .prepare<{ before: number; after: string; limit: number }, [string, 0 | 1]>(
      `SELECT name, EXISTS (
         SELECT 1 FROM (SELECT position, at FROM updates WHERE document = d.id ORDER BY position LIMIT 1) AS first
         WHERE (first.at < :before AND d.deleted_at IS NULL) OR first.position <= d.forgotten)
       FROM documents AS d WHERE name > :after ORDER BY name LIMIT :limit`,
    )
    .raw()

  function startOf(name: string): HistoryStart {
    const { forgotten = 0, forgottenAt = 0 } = find(name) ?? {}
    return { position: forgotten, at: forgottenAt }
  }

  const baseOf = db.transaction((name: string): HistoryBase | undefined => {
    const record = find(name)
    if (record === undefined || record.forgotten === 0) return undefined
    const snapshot = findSnapshot(record, record.forgotten)
    if (snapshot.position !== record.forgotten) throw missingBase(record)
    const { position, logBytes } = snapshot
    return { position, at: record.forgottenAt, logBytes, state: readSnapshot(record, snapshot) }
  })

  function forgettable({ before, after, limit }: { before: number; after: string; limit: number }): ForgettablePage {
    const looked = look.all({ before, after, limit })
    const documents = looked.filter(([, isForgettable]) => isForgettable === 1).map(([name]) => name)
    return { documents, next: looked.length < limit ? undefined : looked.at(-1)?.[0] }
  }

  return { startOf, baseOf, forgettable }
}
