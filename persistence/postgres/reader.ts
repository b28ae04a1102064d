import { owners, retiredBefore } from '../client-claim.ts'
import { shouldCompact } from '../compaction.ts'
import { deletionOf } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { tailStart, tailWeight } from '../snapshot-record.ts'
import type { LogRow, StoredDocument } from '../update-log.ts'
import { readClaims } from './client-table.ts'
import { findHead, findRecord, findTombstone } from './document-table.ts'
import type { Session } from './session.ts'
import { readSnapshot } from './snapshot-table.ts'
import { readPage, readRows } from './update-table.ts'

export interface Loaded {
  readonly stored: StoredDocument
  /** Whether it is time to compact the document. */
  readonly due: boolean
}

/** Loads a document; call it inside a transaction that sees one moment. */
export async function loadDocument(session: Session, keys: KeyRing | undefined, name: string): Promise<Loaded> {
  const head = await findHead(session, name)
  const tombstone = await findTombstone(session, name, head?.record)
  if (head === undefined || tombstone !== undefined) {
    const deleted = tombstone && deletionOf(tombstone)
    const nothing = { position: 0, snapshot: 0, epoch: 0, parts: [], clients: new Map(), retired: new Set<number>() }
    return { stored: { ...nothing, deleted }, due: false }
  }
  const { record, snapshot } = head
  const parts = snapshot.position > 0 ? [await readSnapshot(session, keys, record, snapshot)] : []
  const tail = await readRows(session, keys, record, { after: tailStart(record, snapshot), until: record.position })
  for (const { data } of tail) parts.push(data)
  const claims = await readClaims(session, record)
  const [clients, retired] = [owners(claims), retiredBefore(record.epoch, claims)]
  return {
    stored: {
      position: record.position,
      snapshot: snapshot.position,
      epoch: record.epoch,
      vector: snapshot.vector,
      parts,
      clients,
      retired,
    },
    due: shouldCompact(tailWeight(record, snapshot)),
  }
}

/** A page of rows, and the position up to which the document has been committed. */
export interface Page {
  readonly position: number
  /** Up to which position rows are forgotten; there are none in the page where it was to begin below. */
  readonly forgotten: number
  readonly rows: readonly LogRow[]
}

/** Reads the first rows above `after` and up to `until`; call it inside a transaction that sees one moment. */
export async function readDocument(
  session: Session,
  keys: KeyRing | undefined,
  name: string,
  { after, until }: { readonly after: number; readonly until: number },
): Promise<Page> {
  const record = await findRecord(session, name)
  if (record === undefined) return { position: 0, forgotten: 0, rows: [] }
  const { position, epoch, forgotten } = record
  const range = { after, until: Math.min(until, position) }
  const hasRows = forgotten <= after && after < range.until
  const rows = hasRows ? await readPage(session, keys, record, range) : []
  return { position, forgotten, rows: epoch === 0 ? rows : rows.map((row) => ({ ...row, epoch })) }
}
