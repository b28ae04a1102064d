import type { KeyRing } from '../encryption.ts'
import { ENOUGH_ROWS, type HistoryBase, type HistoryStart, type RetentionPage } from '../retention.ts'
import { missingBase } from '../snapshot-record.ts'
import { findRecord } from './document-table.ts'
import type { Session } from './session.ts'
import { findSnapshot, readSnapshot } from './snapshot-table.ts'

/** Where the history of a document begins; see Retention. */
export async function historyStartOf(session: Session, name: string): Promise<HistoryStart> {
  const { forgotten = 0, forgottenAt = 0 } = (await findRecord(session, name)) ?? {}
  return { position: forgotten, at: forgottenAt }
}

/** What a document was there; call it inside a transaction that sees one moment. */
export async function historyBaseOf(
  session: Session,
  keys: KeyRing | undefined,
  name: string,
): Promise<HistoryBase | undefined> {
  const record = await findRecord(session, name)
  if (record === undefined || record.forgotten === 0) return undefined
  const snapshot = await findSnapshot(session, record, record.forgotten)
  if (snapshot.position !== record.forgotten) throw missingBase(record)
  const { position, logBytes } = snapshot
  return { position, at: record.forgottenAt, logBytes, state: await readSnapshot(session, keys, record, snapshot) }
}

export async function findForgettable(
  session: Session,
  { before, after, limit }: { readonly before: number; readonly after: string; readonly limit: number },
): Promise<RetentionPage> {
  const looked = await session.rows(
    `SELECT name, (first.at < $1 AND deleted_at IS NULL) OR first.position <= d.forgotten
     FROM (SELECT id, name, deleted_at, forgotten FROM coweave.documents WHERE name > $2 ORDER BY name LIMIT $3) AS d
     LEFT JOIN LATERAL (
       SELECT position, at FROM (
         (SELECT position, at FROM coweave.updates WHERE document = d.id ORDER BY position LIMIT 1)
         UNION ALL (SELECT first, at FROM coweave.packs WHERE document = d.id ORDER BY last LIMIT 1)
       ) AS both_kinds ORDER BY position LIMIT 1
     ) AS first ON true ORDER BY name`,
    [before, after, limit],
  )
  return pageOf(looked, limit)
}

export async function findUnpacked(
  session: Session,
  { before, after, limit }: { readonly before: number; readonly after: string; readonly limit: number },
): Promise<RetentionPage> {
  const looked = await session.rows(
    `SELECT name, deleted_at IS NULL AND (
       SELECT at FROM coweave.updates WHERE document = d.id ORDER BY position LIMIT 1 OFFSET ${ENOUGH_ROWS}
     ) < $1
     FROM (SELECT id, name, deleted_at FROM coweave.documents WHERE name > $2 ORDER BY name LIMIT $3) AS d
     ORDER BY name`,
    [before, after, limit],
  )
  return pageOf(looked, limit)
}

/** Of rows of a name and whether it is one of those that were looked for. */
function pageOf(looked: readonly (readonly unknown[])[], limit: number): RetentionPage {
  const last = looked.at(-1)?.[0]
  return {
    documents: looked.filter(([, isFound]) => isFound === true).map(([name]) => String(name)),
    next: looked.length < limit || typeof last !== 'string' ? undefined : last,
  }
}
