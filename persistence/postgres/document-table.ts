import {
  DOCUMENT_COLUMNS,
  type DocumentKey,
  type DocumentRecord,
  documentChecksum,
  parseRecord,
} from '../document-record.ts'
import { NO_SNAPSHOT, parseSnapshot, SNAPSHOT_COLUMNS, type SnapshotRecord } from '../snapshot-record.ts'
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
    SELECT ${SNAPSHOT_COLUMNS} FROM coweave.snapshots WHERE document = d.id ORDER BY position DESC LIMIT 1
  ) s ON true`
const WIDTH = D?.length ?? 0

/** Reads a document's record and that of its newest snapshot; undefined for an unknown document. */
export async function findHead(session: Session, name: string): Promise<DocumentHead | undefined> {
  const [values] = await session.rows(`${HEAD} WHERE d.name = $1`, [name])
  return values === undefined ? undefined : parseHead(values)
}

/**
 * Locks the documents that an append writes to, making those that are new. Until the transaction ends nobody else
 * appends to them, so that positions are visible in their order.
 *
 * Whoever locks several takes them in the order of their names, so that nobody waits in a circle. That holds for new
 * ones too: they can't be added while later ones are held, so the transaction begins again.
 */
export async function lockHeads(session: Session, names: readonly string[]): Promise<DocumentHead[]> {
  const found = await session.rows(`${HEAD} WHERE d.name = ANY ($1::text[]) ORDER BY d.name FOR UPDATE OF d`, [names])
  if (found.length === names.length) return found.map(parseHead)
  await session.restart()
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
  return [...created.map(newHead), ...existing.map(parseHead)]
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
      SELECT * FROM unnest($8::bigint[], $9::bigint[], $10::bytea[], $11::bigint[], $12::int[])
    )`
  await session.rows(
    `${claims.length === 0 ? '' : claiming}
     UPDATE coweave.documents AS d SET created_at = given.created_at, updated_at = given.updated_at,
       position = given.position, bytes = given.bytes, clients = given.clients, checksum = given.checksum
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[])
       AS given (id, created_at, updated_at, position, bytes, clients, checksum)
     WHERE d.id = given.id`,
    [
      records.map(({ id }) => id),
      records.map(({ createdAt }) => createdAt),
      records.map(({ updatedAt }) => updatedAt),
      records.map(({ position }) => position),
      records.map(({ bytes }) => bytes),
      records.map(({ clients }) => clients),
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

/** The last positions of documents, 0 for an unknown one. */
export async function readPositions(session: Session, names: readonly string[]): Promise<number[]> {
  const rows = await session.rows(`SELECT ${DOCUMENT_COLUMNS} FROM coweave.documents WHERE name = ANY ($1::text[])`, [
    names,
  ])
  const positions = new Map(rows.map(parseRecord).map(({ name, position }) => [name, position]))
  return names.map((name) => positions.get(name) ?? 0)
}

/** Reads a page of documents, ordered by the bytes of their names. */
export async function listRecords(
  session: Session,
  { prefix, after, limit }: { readonly prefix: string; readonly after: string; readonly limit: number },
): Promise<DocumentRecord[]> {
  const rows = await session.rows(
    `SELECT ${DOCUMENT_COLUMNS} FROM coweave.documents WHERE name >= $1 AND name > $2 ORDER BY name LIMIT $3`,
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

function newHead([id, name]: readonly unknown[]): DocumentHead {
  const counts = { createdAt: 0, updatedAt: 0, position: 0, bytes: 0, clients: 0 }
  return { record: { id: Number(id), name: String(name), ...counts }, snapshot: NO_SNAPSHOT }
}
