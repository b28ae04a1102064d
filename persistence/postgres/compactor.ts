import { shouldCompact } from '../compaction.ts'
import type { KeyRing } from '../encryption.ts'
import { buildSnapshot, type SnapshotSource } from '../snapshot-builder.ts'
import { tailStart, tailWeight } from '../snapshot-record.ts'
import { type DocumentHead, findHead } from './document-table.ts'
import type { Session } from './session.ts'
import { readSnapshot, replaceSnapshot } from './snapshot-table.ts'
import { readRows } from './update-table.ts'

export interface CompactRequest {
  readonly document: string
  /** Whether it was not asked for: then it is left out where it is not due, or another process is at it. */
  readonly optional: boolean
  /** A user whose removed keys the snapshot forgets (map-keys.ts): then it is made also where it is current. */
  readonly scrubbed?: string | undefined
}

/**
 * Makes a document's snapshot; call it inside a transaction. One process at a time compacts a document: whoever has
 * its lock. Resolves with the snapshot's position, 0 for a document without rows or one that was left out.
 */
export async function compact(
  session: Session,
  keys: KeyRing | undefined,
  { document, optional, scrubbed }: CompactRequest,
): Promise<number> {
  // Building the snapshot of a big document takes longer than a transaction may rest otherwise. No row is locked.
  await session.run(`SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = 0`)
  const lock = `hashtextextended('coweave.compact:' || $1, 0)`
  const [[locked] = []] = optional
    ? await session.rows(`SELECT pg_try_advisory_xact_lock(${lock})`, [document])
    : await session.rows(`SELECT true FROM pg_advisory_xact_lock(${lock})`, [document])
  if (locked !== true) return 0
  const head = await findHead(session, document)
  if (head === undefined || head.record.position === 0) return 0
  const { record, snapshot } = head
  if (snapshot.position === record.position && scrubbed === undefined) return record.position
  if (optional && !shouldCompact(tailWeight(record, snapshot))) return snapshot.position
  const source = await readSource(session, keys, head)
  await replaceSnapshot(session, keys, record, buildSnapshot(source, scrubbed))
  return record.position
}

// Each statement sees a moment of its own, but rows never change, and the lock keeps the snapshot in place.
async function readSource(session: Session, keys: KeyRing | undefined, head: DocumentHead): Promise<SnapshotSource> {
  const { record, snapshot } = head
  const first =
    snapshot.position > 0
      ? [{ position: snapshot.position, data: await readSnapshot(session, keys, record, snapshot) }]
      : []
  const tail = await readRows(session, keys, record, { after: tailStart(record, snapshot), until: record.position })
  return { name: record.name, parts: [...first, ...tail] }
}
