import type { Database } from 'better-sqlite3'
import type { KeyRing } from '../encryption.ts'
import { ENOUGH_ROWS, type HistoryBase, type HistoryStart, type RetentionPage } from '../retention.ts'
import { missingBase } from '../snapshot-record.ts'
import { documentFinder } from './document-table.ts'
import { snapshotFinder, snapshotReader } from './snapshot-table.ts'

interface PageRequest {
  readonly before: number
  readonly after: string
  readonly limit: number
}

/** What a reader tells about where the history of documents begins; see Retention. */
export function historyStartReader(db: Database, keys: KeyRing | undefined) {
  const find = documentFinder(db)
  const findSnapshot = snapshotFinder(db)
  const readSnapshot = snapshotReader(db, keys)
  const look = db
    .prepare<{ before: number; after: string; limit: number }, [string, 0 | 1]>(
      `SELECT name, EXISTS (
         SELECT 1 FROM (
           SELECT * FROM (SELECT position, at FROM updates WHERE document = d.id ORDER BY position LIMIT 1)
           UNION ALL SELECT * FROM (SELECT first, at FROM packs WHERE document = d.id ORDER BY last LIMIT 1)
         ) AS first WHERE (first.at < :before AND d.deleted_at IS NULL) OR first.position <= d.forgotten)
       FROM documents AS d WHERE name > :after ORDER BY name LIMIT :limit`,
    )
    .raw()

  const lookAtRows = db
    .prepare<{ before: number; after: string; limit: number }, [string, 0 | 1]>(
      `SELECT name, deleted_at IS NULL AND coalesce((
         SELECT at FROM updates WHERE document = d.id ORDER BY position LIMIT 1 OFFSET ${ENOUGH_ROWS}
       ) < :before, 0) FROM documents AS d WHERE name > :after ORDER BY name LIMIT :limit`,
    )
    .raw()

  function startOf(name: string): HistoryStart {
    const { forgotten = 0, forgottenAt = 0 } = find(name) ?? {}
    return { position: forgotten, at: forgottenAt }
  }

  const baseOf: (name: string) => HistoryBase | undefined = db.transaction((name: string) => {
    const record = find(name)
    if (record === undefined || record.forgotten === 0) return undefined
    const snapshot = findSnapshot(record, record.forgotten)
    if (snapshot.position !== record.forgotten) throw missingBase(record)
    const { position, logBytes } = snapshot
    return { position, at: record.forgottenAt, logBytes, state: readSnapshot(record, snapshot) }
  })

  const pageOf = (looked: readonly [string, 0 | 1][], limit: number): RetentionPage => ({
    documents: looked.filter(([, isFound]) => isFound === 1).map(([name]) => name),
    next: looked.length < limit ? undefined : looked.at(-1)?.[0],
  })

  return {
    startOf,
    baseOf,
    forgettable: ({ before, after, limit }: PageRequest) => pageOf(look.all({ before, after, limit }), limit),
    unpacked: ({ before, after, limit }: PageRequest) => pageOf(lookAtRows.all({ before, after, limit }), limit),
  }
}
