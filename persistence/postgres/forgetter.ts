import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { buildSnapshot } from '../snapshot-builder.ts'
import { tailStart } from '../snapshot-record.ts'
import type { LogRow } from '../update-log.ts'
import { findRecord } from './document-table.ts'
import { eraseRows, saveRecord } from './eraser.ts'
import { cutPack } from './pack-table.ts'
import type { Session } from './session.ts'
import { addSnapshot, findSnapshot, readSnapshot, retireSnapshots } from './snapshot-table.ts'
import { eraseOldText } from './text-table.ts'
import { readPage } from './update-table.ts'

/** Rows of so many bytes go into one snapshot at most, so that memory stays bounded. */
const ROUND_BYTES = 64 * 1024 * 1024

/** How far forgetting has come. */
export interface Forgetting {
  readonly position: number
  readonly isDone: boolean
}

/**
 * Forgets some of the first rows of a document; call it inside a transaction of its own, until it is done. First a snapshot
 * is made where the history is to begin. The transaction that makes it also says so in the document's record: from there
 * on, the rows up to it belong to nothing, and whoever comes deletes them. As with snapshots, one process at a time.
 */
export async function forgetSome(
  session: Session,
  keys: KeyRing | undefined,
  { document, until }: { readonly document: string; readonly until: number },
): Promise<Forgetting> {
  // As for snapshots.
  await session.run(`SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = 0`)
  await session.rows(`SELECT pg_advisory_xact_lock(hashtextextended('coweave.compact:' || $1, 0))`, [document])
  const record = await findRecord(session, document)
  if (record === undefined) return { position: 0, isDone: true }
  const target = await targetOf(session, record, until)
  if (target > record.forgotten) return { position: await move(session, keys, record, target), isDone: false }
  const { forgotten: position } = record
  if (position === 0) return { position, isDone: true }
  const { id } = record
  const hasErased =
    (await eraseRows(session, 'updates', 'document', 'position', id, position)) ||
    (await eraseRows(session, 'packs', 'document', 'last', id, position)) ||
    (await cutPack(session, keys, record, position))
  if (!hasErased) await eraseOldText(session, id, position)
  return { position, isDone: !hasErased }
}

async function targetOf(session: Session, { id, position }: DocumentRecord, until: number): Promise<number> {
  const [[lowest] = []] = await session.rows('SELECT min(position) FROM coweave.versions WHERE document = $1', [id])
  return Math.min(until, position, typeof lowest === 'number' ? lowest : until)
}

/** Moves the beginning of the history on, as far as one snapshot can. Resolves with where it is then. */
async function move(
  session: Session,
  keys: KeyRing | undefined,
  record: DocumentRecord,
  target: number,
): Promise<number> {
  const snapshot = await findSnapshot(session, record, target)
  const isThere = snapshot.position === target
  const after = isThere ? target - 1 : tailStart(record, snapshot, target)
  const rows = await takeSome(session, keys, record, { after, until: target })
  const last = rows.at(-1)
  if (last === undefined) return record.forgotten
  if (!isThere) {
    const first =
      snapshot.position > 0 ? [{ ...snapshot, data: await readSnapshot(session, keys, record, snapshot) }] : []
    const logBytes = rows.reduce((sum, { data }) => sum + data.length, snapshot.logBytes)
    const made = buildSnapshot({ name: record.name, parts: [...first, ...rows] })
    await addSnapshot(session, keys, { document: record, position: last.position, logBytes, ...made })
  }
  // Nobody appends from here to the commit, nor names a position that goes.
  const now = await findRecord(session, record.name, 'FOR UPDATE')
  const isAllowed = now !== undefined && (await targetOf(session, now, last.position)) === last.position
  if (isAllowed) await saveRecord(session, { ...now, forgotten: last.position, forgottenAt: last.at })
  await retireSnapshots(session, record)
  return isAllowed ? last.position : record.forgotten
}

/** The first rows of that range, until they are as much as one snapshot may be made from. */
async function takeSome(
  session: Session,
  keys: KeyRing | undefined,
  record: DocumentRecord,
  { after, until }: { readonly after: number; readonly until: number },
): Promise<LogRow[]> {
  const taken: LogRow[] = []
  let bytes = 0
  for (let last = after; last < until && bytes < ROUND_BYTES; last = taken.at(-1)?.position ?? until) {
    const page = await readPage(session, keys, record, { after: last, until })
    taken.push(...page)
    bytes += page.reduce((sum, { data }) => sum + data.length, 0)
  }
  return taken
}
