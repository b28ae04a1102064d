import { chatBeside, goesWith, roomsOf } from '../beside.ts'
import {
  DOCUMENT_COLUMNS,
  type DocumentRecord,
  deletionOf,
  documentChecksum,
  Erasure,
  erasedRecord,
  NO_ROWS,
  parseRecord,
  type Tombstone,
} from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { Deletion, NewDeletion, Undeleted } from '../update-log.ts'
import { forgetChanges, noteChanges } from './change-table.ts'
import { CHAT_LOCK } from './document-table.ts'
import { storeEvents } from './event-table.ts'
import { type Session, toBytes } from './session.ts'
import { eraseText } from './text-table.ts'

/** What one transaction erases, at most. */
const STEP_ROWS = 500
const STEP_BYTES = 1024 * 1024

export type ErasingState = 'not-deleted' | 'going-on' | 'done'

/** Marks a document and the chat beside it as deleted; call it inside a transaction. Answers with the deletion in force. */
export async function deleteDocument(
  session: Session,
  keys: KeyRing | undefined,
  name: string,
  { at, by, events = [] }: NewDeletion,
): Promise<Deletion> {
  await lockChat(session, name)
  const [created] = await session.rows(
    `INSERT INTO coweave.documents (name, created_at, updated_at, position, bytes, clients, checksum)
     SELECT $1::text, $2::bigint, $2::bigint, 0, 0, 0, 0 ON CONFLICT (name) DO NOTHING RETURNING id`,
    [name, at],
  )
  if (created !== undefined) {
    const record = { id: Number(created[0]), name, createdAt: at, updatedAt: at, ...NO_ROWS }
    await saveRecord(session, { ...record, tombstone: undefined })
  }
  const family = await lockFamily(session, name)
  const known = tombstoneOf(family, name)
  if (known !== undefined) return deletionOf(known)
  const tombstone = { at, by, erasure: Erasure.None }
  for (const record of family) await saveRecord(session, { ...record, tombstone })
  await forgetChanges(session, family)
  await storeEvents(session, keys, events)
  return deletionOf(tombstone)
}

/** Takes a deletion back; call it inside a transaction. */
export async function undeleteDocument(session: Session, name: string): Promise<Undeleted> {
  await lockChat(session, name)
  const family = await lockFamily(session, name)
  const known = tombstoneOf(family, name)
  if (known === undefined) return 'not-deleted'
  if (known.erasure !== Erasure.None) return 'erased'
  for (const record of family) {
    // One that was deleted before anything was stored of it.
    if (record.position === 0) await removeRecord(session, record)
    else await saveRecord(session, { ...record, tombstone: undefined })
  }
  const kept = family.filter(({ position }) => position > 0)
  await noteChanges(
    session,
    kept.map((document) => ({ document, since: document.position, at: Date.now() })),
  )
  return 'restored'
}

/** Forgets an erased document; call it inside a transaction. */
export async function freeDocument(session: Session, name: string): Promise<boolean> {
  await lockChat(session, name)
  const family = await lockFamily(session, name)
  if (tombstoneOf(family, name)?.erasure !== Erasure.Done) return false
  for (const record of family) await removeRecord(session, record)
  return true
}

/**
 * Erases some of a deleted document and of the chat beside it; call it inside a transaction of its own, until it is done.
 * The first one makes it so that nothing leads to the rest any more. How far it has come is in the database.
 */
export async function eraseSome(session: Session, name: string): Promise<ErasingState> {
  const seen = await readFamily(session, name)
  const isBeginning = tombstoneOf(seen, name)?.erasure === Erasure.None
  // Whoever is making a snapshot of one of them comes first: nobody waits for a row meanwhile.
  if (isBeginning) await lockCompaction(session, seen)
  const family = await lockFamily(session, name)
  const tombstone = tombstoneOf(family, name)
  if (tombstone === undefined) return 'not-deleted'
  if (tombstone.erasure === Erasure.Done) return 'done'
  if (tombstone.erasure === Erasure.None) {
    if (isBeginning) for (const record of family) await beginErasing(session, record, tombstone)
    return 'going-on'
  }
  for (const record of family) if (await eraseSomeOf(session, record)) return 'going-on'
  for (const room of roomsOf(name)) if (await eraseRows(session, 'messages', 'room', 'seq', room)) return 'going-on'
  for (const record of family) {
    if (record.name === name)
      await saveRecord(session, { ...record, tombstone: { ...tombstone, erasure: Erasure.Done } })
    else await removeRecord(session, record)
  }
  return 'done'
}

/** As erasable() says. */
export async function listErasable(
  session: Session,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<string[]> {
  const rows = await session.rows(
    `SELECT name FROM coweave.documents WHERE erasure < 2 AND (deleted_at <= $1 OR erasure = 1)
       AND left(name, 5) <> 'chat/' ORDER BY deleted_at LIMIT $2`,
    [before, limit],
  )
  return rows.map(([name]) => String(name))
}

/** Tables of a document's rows that are small, and the columns that tell these apart. */
const SMALL_ROWS = [
  ['clients', 'client'],
  ['versions', 'id'],
  ['seen', 'owner'],
] as const

async function eraseSomeOf(session: Session, record: DocumentRecord): Promise<boolean> {
  if (await eraseText(session, record.id)) return true
  if (await eraseRows(session, 'updates', 'document', 'position', record.id)) return true
  if (await eraseRows(session, 'packs', 'document', 'last', record.id)) return true
  for (const [table, key] of SMALL_ROWS) {
    const erased = await session.rows(
      `DELETE FROM coweave.${table} WHERE document = $1 AND ${key} IN (
         SELECT ${key} FROM coweave.${table} WHERE document = $1 LIMIT ${STEP_ROWS}) RETURNING 1`,
      [record.id],
    )
    if (erased.length > 0) return true
  }
  return false
}

/** Its snapshot goes at once: it has few parts, and a document without rows gets no other one. */
async function beginErasing(session: Session, record: DocumentRecord, tombstone: Tombstone): Promise<void> {
  await saveRecord(session, erasedRecord(record, tombstone))
  await session.rows(
    `WITH old AS (DELETE FROM coweave.snapshots WHERE document = $1 RETURNING id)
     DELETE FROM coweave.snapshot_parts WHERE snapshot IN (SELECT id FROM old)`,
    [record.id],
  )
}

async function lockCompaction(session: Session, family: readonly DocumentRecord[]): Promise<void> {
  const key = `hashtextextended('coweave.compact:' || name, 0)`
  await session.rows(
    `SELECT pg_advisory_xact_lock(key) FROM (
       SELECT DISTINCT ${key} AS key FROM unnest($1::text[]) AS name ORDER BY key
     ) AS keys`,
    [family.map(({ name }) => name)],
  )
}

/** Erases the first rows of what `owner` has, up to the number `until`. Resolves with whether there were any. */
export async function eraseRows(
  session: Session,
  table: 'updates' | 'packs' | 'messages',
  owner: 'document' | 'room',
  number: 'position' | 'last' | 'seq',
  of: number | string,
  until = Number.MAX_SAFE_INTEGER,
): Promise<boolean> {
  const rows = await session.rows(
    `DELETE FROM coweave.${table} WHERE ${owner} = $1 AND ${number} IN (
       SELECT ${number} FROM (
         SELECT ${number}, sum(bytes) OVER (ORDER BY ${number}) - bytes AS before FROM (
           SELECT ${number}, octet_length(data) AS bytes FROM coweave.${table} WHERE ${owner} = $1 AND ${number} <= $2
           ORDER BY ${number} LIMIT ${STEP_ROWS}
         ) AS first
       ) AS page WHERE before < ${STEP_BYTES}) RETURNING 1`,
    [of, until],
  )
  return rows.length > 0
}

/** Before any row, as whoever makes documents of a chat does it. */
async function lockChat(session: Session, beside: string): Promise<void> {
  await session.rows(`SELECT pg_advisory_xact_lock(${CHAT_LOCK}) FROM (SELECT $1::text AS beside) AS given`, [beside])
}

/** Locks a document and those of the chat beside it, in the order of their names, as whoever appends does it. */
async function lockFamily(session: Session, document: string): Promise<DocumentRecord[]> {
  return await readFamily(session, document, 'FOR UPDATE')
}

async function readFamily(session: Session, document: string, lock: 'FOR UPDATE' | '' = ''): Promise<DocumentRecord[]> {
  const { head, above, below } = chatBeside(document)
  const rows = await session.rows(
    `SELECT ${DOCUMENT_COLUMNS} FROM coweave.documents
     WHERE name = $1 OR name = $2 OR (name > $3 AND name < $4) ORDER BY name ${lock}`,
    [document, head, above, below],
  )
  return rows.map(parseRecord).filter(({ name }) => goesWith(document, name))
}

function tombstoneOf(family: readonly DocumentRecord[], document: string): Tombstone | undefined {
  return family.find(({ name }) => name === document)?.tombstone
}

/** Writes all of a record but its name. */
export async function saveRecord(session: Session, record: DocumentRecord): Promise<void> {
  const { id, createdAt, updatedAt, position, bytes, clients, epoch, forgotten, forgottenAt, tombstone } = record
  await session.rows(
    `UPDATE coweave.documents SET created_at = $2, updated_at = $3, position = $4, bytes = $5, clients = $6,
       epoch = $7, forgotten = $8, forgotten_at = $9, deleted_at = $10, deleted_by = $11, erasure = $12, checksum = $13
     WHERE id = $1`,
    [
      ...[id, createdAt, updatedAt, position, bytes, clients, epoch, forgotten, forgottenAt],
      tombstone?.at ?? null,
      tombstone === undefined ? null : toBytes(tombstone.by),
      tombstone?.erasure ?? null,
      documentChecksum(record),
    ],
  )
}

async function removeRecord(session: Session, { id }: DocumentRecord): Promise<void> {
  await session.rows('DELETE FROM coweave.documents WHERE id = $1', [id])
}
