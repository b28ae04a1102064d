import { besideOf } from '../beside.ts'
import {
  DOCUMENT_COLUMNS,
  type DocumentKey,
  type DocumentRecord,
  documentChecksum,
  NO_ROWS,
  parseRecord,
  type Tombstone,
} from '../document-record.ts'
import {
  missingBase,
  NO_SNAPSHOT,
  parseSnapshot,
  SNAPSHOT_COLUMNS,
  type SnapshotRecord,
  tailStart,
} from '../snapshot-record.ts'
import { DELETED, type ListOptions } from '../update-log.ts'
import { claimColumns, type NewClaim } from './client-table.ts'
import type { Session } from './session.ts'

/** A document and its newest snapshot, NO_SNAPSHOT if there is none. */
export interface DocumentHead {
  readonly record: DocumentRecord
  readonly snapshot: SnapshotRecord
}

const [D, S] = [DOCUMENT_COLUMNS, SNAPSHOT_COLUMNS].map((columns) => columns.split(', '))
const HEAD = `
  SELECT ${D?.map((column) => `d.${column}`).join(', ')}, ${S?.map((column) => `s.${column}`).join(', ')}
  FROM coweave.documents d LEFT JOIN LATERAL (
    SELECT ${SNAPSHOT_COLUMNS} FROM coweave.snapshots WHERE document = d.id AND position >= d.epoch
    ORDER BY position DESC LIMIT 1
  ) s ON true`
const WIDTH = D?.length ?? 0

/** A document that an append wants to write to. */
export interface LockedHead extends DocumentHead {
  /** Whether it is deleted, or would be in the chat beside a document that is. */
  readonly isDeleted: boolean
}

/** One row, or none. */
export async function findRecord(
  session: Session,
  name: string,
  lock: 'FOR SHARE' | 'FOR UPDATE' | '' = '',
): Promise<DocumentRecord | undefined> {
  const [values] = await session.rows(`SELECT ${DOCUMENT_COLUMNS} FROM coweave.documents WHERE name = $1 ${lock}`, [
    name,
  ])
  return values === undefined ? undefined : parseRecord(values)
}

/** Reads a document's record and that of its newest snapshot; undefined for an unknown document. */
export async function findHead(session: Session, name: string): Promise<DocumentHead | undefined> {
  const [values] = await session.rows(`${HEAD} WHERE d.name = $1`, [name])
  if (values === undefined) return undefined
  const head = parseHead(values)
  if (tailStart(head.record, head.snapshot) < head.record.forgotten) throw missingBase(head.record)
  return head
}

/**
 * Locks the documents that an append writes to, making those that are new. Until the transaction ends nobody else
 * appends to them, so that positions are visible in their order.
 *
 * Whoever locks several takes them in the order of their names, so that nobody waits in a circle. That holds for new
 * ones too: they can't be added while later ones are held, so the transaction begins again.
 */
export async function lockHeads(session: Session, names: readonly string[]): Promise<LockedHead[]> {
  const found = await session.rows(`${HEAD} WHERE d.name = ANY ($1::text[]) ORDER BY d.name FOR UPDATE OF d`, [names])
  if (found.length === names.length) return found.map(parseLocked)
  await session.restart()
  const isDeleted = await lockChats(session, names)
  // An update of no row: it locks those that are there.
  const created = await session.rows(
    `INSERT INTO coweave.documents AS d (name, created_at, updated_at, position, bytes, clients, checksum)
     SELECT name, 0, 0, 0, 0, 0, 0 FROM unnest($1::text[]) AS given (name) ORDER BY name COLLATE "C"
     ON CONFLICT (name) DO UPDATE SET name = d.name WHERE false
     RETURNING id, name`,
    [names],
  )
  const createdNames = created.map(([, name]) => name)
  const others = names.filter((name) => !createdNames.includes(name))
  const existing = await session.rows(`${HEAD} WHERE d.name = ANY ($1::text[])`, [others])
  return [
    ...created.map((values) => ({ ...newHead(values), isDeleted: isDeleted(values[1]) })),
    ...existing.map(parseLocked),
  ]
}

/** What keeps new documents of a chat from being made while the document that it stands beside is deleted, or restored. */
export const CHAT_LOCK = `hashtextextended('coweave.chat:' || beside, 0)`

/** Locks what new documents of chats are deleted by. Returns whether one of a name is deleted from the beginning. */
async function lockChats(session: Session, names: readonly string[]): Promise<(name: unknown) => boolean> {
  const besides = new Map(names.map((name) => [name, besideOf(name)]))
  const wanted = [...new Set([...besides.values()].filter((beside) => beside !== undefined))]
  if (wanted.length === 0) return () => false
  await session.rows(
    `SELECT pg_advisory_xact_lock_shared(key) FROM (
       SELECT DISTINCT ${CHAT_LOCK} AS key FROM unnest($1::text[]) AS beside ORDER BY key
     ) AS keys`,
    [wanted],
  )
  const rows = await session.rows(
    'SELECT name FROM coweave.documents WHERE name = ANY ($1::text[]) AND deleted_at IS NOT NULL',
    [wanted],
  )
  const deleted = new Set(rows.map(([name]) => name))
  return (name) => deleted.has(besides.get(String(name)))
}

/** Writes the records of documents that rows were added to, and with them the claims that their `clients` count. */
export async function saveRecords(
  session: Session,
  records: readonly DocumentRecord[],
  claims: readonly NewClaim[],
): Promise<void> {
  if (records.length === 0) return
  const claiming = `
    WITH claimed AS (
      INSERT INTO coweave.clients (document, client, owner, position, checksum)
      SELECT * FROM unnest($9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[], $13::int[])
    )`
  await session.rows(
    `${claims.length === 0 ? '' : claiming}
     UPDATE coweave.documents AS d SET created_at = given.created_at, updated_at = given.updated_at,
       position = given.position, bytes = given.bytes, clients = given.clients, epoch = given.epoch, checksum = given.checksum
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::int[])
       AS given (id, created_at, updated_at, position, bytes, clients, epoch, checksum)
     WHERE d.id = given.id`,
    [
      records.map(({ id }) => id),
      records.map(({ createdAt }) => createdAt),
      records.map(({ updatedAt }) => updatedAt),
      records.map(({ position }) => position),
      records.map(({ bytes }) => bytes),
      records.map(({ clients }) => clients),
      records.map(({ epoch }) => epoch),
      records.map(documentChecksum),
      ...(claims.length === 0 ? [] : claimColumns(claims)),
    ],
  )
}

/** Takes documents away that lockHeads() has made, in the same transaction, and that got no row. */
export async function removeEmpty(session: Session, documents: readonly DocumentKey[]): Promise<void> {
  if (documents.length === 0) return
  await session.rows('DELETE FROM coweave.documents WHERE id = ANY ($1::bigint[])', [documents.map(({ id }) => id)])
}

/** The last positions of documents, as positions() has them. */
export async function readPositions(session: Session, names: readonly string[]): Promise<number[]> {
  const records = await readRecords(session, names)
  const besides = new Map(names.filter((name) => !records.has(name)).map((name) => [name, besideOf(name)]))
  const wanted = [...besides.values()].filter((beside) => beside !== undefined)
  const others = wanted.length === 0 ? new Map<string, DocumentRecord>() : await readRecords(session, wanted)
  return names.map((name) => {
    const record = records.get(name)
    const { tombstone } = record ?? others.get(besides.get(name) ?? '') ?? {}
    return tombstone === undefined ? (record?.position ?? 0) : DELETED
  })
}

/** By which a document is deleted that has `record`, or none. */
export async function findTombstone(
  session: Session,
  name: string,
  record: DocumentRecord | undefined,
): Promise<Tombstone | undefined> {
  if (record !== undefined) return record.tombstone
  const beside = besideOf(name)
  if (beside === undefined) return undefined
  return (await readRecords(session, [beside])).get(beside)?.tombstone
}

async function readRecords(session: Session, names: readonly string[]): Promise<Map<string, DocumentRecord>> {
  const rows = await session.rows(`SELECT ${DOCUMENT_COLUMNS} FROM coweave.documents WHERE name = ANY ($1::text[])`, [
    names,
  ])
  return new Map(rows.map(parseRecord).map((record) => [record.name, record]))
}

/** Reads a page of documents, ordered by the bytes of their names. */
export async function listRecords(
  session: Session,
  { prefix, after, limit, deleted }: Required<ListOptions>,
): Promise<DocumentRecord[]> {
  const rows = await session.rows(
    `SELECT ${DOCUMENT_COLUMNS} FROM coweave.documents
     WHERE name >= $1 AND name > $2 AND deleted_at IS ${deleted ? 'NOT NULL' : 'NULL'} ORDER BY name LIMIT $3`,
    [prefix, after, limit],
  )
  const records = rows.map(parseRecord)
  const end = records.findIndex(({ name }) => !name.startsWith(prefix)) // those with the prefix stand together
  return end === -1 ? records : records.slice(0, end)
}

function parseHead(values: readonly unknown[]): DocumentHead {
  const record = parseRecord(values)
  const snapshot = values.slice(WIDTH)
  return { record, snapshot: snapshot[0] === null ? NO_SNAPSHOT : parseSnapshot(record, snapshot) }
}

function parseLocked(values: readonly unknown[]): LockedHead {
  const head = parseHead(values)
  return { ...head, isDeleted: head.record.tombstone !== undefined }
}

function newHead([id, name]: readonly unknown[]): DocumentHead {
  const counts = { createdAt: 0, updatedAt: 0, ...NO_ROWS, tombstone: undefined }
  return { record: { id: Number(id), name: String(name), ...counts }, snapshot: NO_SNAPSHOT }
}
