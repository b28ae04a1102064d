import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { isSnapshotWorthIt, type Packing } from '../retention.ts'
import { MAX_PACK_ROWS, packable, sealPack } from '../row-pack.ts'
import { tailWeight } from '../snapshot-record.ts'
import { findHead } from './document-table.ts'
import { insertPack } from './pack-table.ts'
import type { Session } from './session.ts'
import { readRows } from './update-table.ts'

export interface PackRequest {
  readonly document: string
  readonly after: number
  readonly until: number
}

/**
 * Makes one pack of rows above `after`, or passes by those that stay as they are; call it inside a transaction of its own,
 * until it is done. As with snapshots, one process at a time.
 */
export async function packSome(
  session: Session,
  keys: KeyRing | undefined,
  { document, after, until }: PackRequest,
): Promise<Packing> {
  await session.run('SET LOCAL lock_timeout = 0')
  await session.rows(`SELECT pg_advisory_xact_lock(hashtextextended('coweave.compact:' || $1, 0))`, [document])
  const head = await findHead(session, document)
  if (head === undefined) return { after, packed: 0, isDone: true, wantsSnapshot: false }
  const { record, snapshot } = head
  const target = Math.min(until, snapshot.position)
  const sizes = await session.rows(
    `SELECT position, octet_length(data) FROM coweave.updates WHERE document = $1 AND position > $2 AND position <= $3
     ORDER BY position LIMIT ${MAX_PACK_ROWS}`,
    [record.id, Math.max(after, record.forgotten), target],
  )
  const rows = sizes.map(([position, bytes]) => ({ position: Number(position), bytes: Number(bytes) }))
  const { count, isWorthIt } = packable(rows)
  const [first, last] = [rows[0]?.position, rows[count - 1]?.position]
  if (first === undefined || last === undefined) {
    const wantsSnapshot = target < Math.min(until, record.position) && isSnapshotWorthIt(tailWeight(record, snapshot))
    return { after, packed: 0, isDone: true, wantsSnapshot }
  }
  if (isWorthIt) await pack(session, keys, record, { after: first - 1, until: last })
  return { after: last, packed: isWorthIt ? count : 0, isDone: false, wantsSnapshot: false }
}

// Nobody else packs or forgets them meanwhile: whoever does has the lock. Nothing erases them: that has it as well, as it
// begins, and then the document has no position.
async function pack(
  session: Session,
  keys: KeyRing | undefined,
  record: DocumentRecord,
  range: { readonly after: number; readonly until: number },
): Promise<void> {
  const sealed = sealPack(keys, record, await readRows(session, keys, record, range))
  await session.rows('DELETE FROM coweave.updates WHERE document = $1 AND position >= $2 AND position <= $3', [
    record.id,
    sealed.first,
    sealed.last,
  ])
  await insertPack(session, record, sealed)
}
