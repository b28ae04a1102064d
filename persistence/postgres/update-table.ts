import type { DocumentKey } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import type { LogRow } from '../update-log.ts'
import { ROW_COLUMNS, type SealedRow, sealRow, verifiedRows } from '../update-row.ts'
import { rawPacks } from './pack-table.ts'
import { type Session, toBytes, toText } from './session.ts'

/** A row on its way into the table. */
export interface NewRow extends LogRow {
  readonly document: DocumentKey
  readonly clients: readonly number[]
}

/** One statement takes rows of about this many bytes, so that no message to the server grows without bound. */
const INSERT_BYTES = 32 * 1024 * 1024

/** Packs that are read at once. */
const PAGE_PACKS = 4
/** A page of rows ends with the row that takes it over either of these. */
const PAGE_ROWS = 1_000
const PAGE_BYTES = 256 * 1024

/** Sends all statements before it returns, so that commit() may follow them. */
export async function insertRows(session: Session, keys: KeyRing | undefined, rows: readonly NewRow[]): Promise<void> {
  const inserts: Promise<void>[] = []
  for (let start = 0; start < rows.length; ) {
    let [end, bytes] = [start, 0]
    while (end < rows.length && bytes < INSERT_BYTES) bytes += rows[end++]?.data.length ?? 0
    inserts.push(insertSome(session, keys, rows.slice(start, end)))
    start = end
  }
  await Promise.all(inserts)
}

/** The bytes of all rows go as one value, cut up over there: in an array each byte would be two of text. */
async function insertSome(session: Session, keys: KeyRing | undefined, rows: readonly NewRow[]): Promise<void> {
  const sealed = rows.map((row): SealedRow => sealRow(keys, row.document, row))
  let next = 1
  const starts = sealed.map(({ data }) => {
    next += data.length
    return next - data.length
  })
  await session.rows(
    `INSERT INTO coweave.updates (document, position, at, author, key, data, checksum)
     SELECT document, position, at, author, key, substring($1::bytea FROM start FOR length), checksum
     FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::int[], $8::int[], $9::int[])
       AS given (document, position, at, author, key, start, length, checksum)`,
    [
      Buffer.concat(sealed.map(({ data }) => data)),
      rows.map(({ document }) => document.id),
      rows.map(({ position }) => position),
      rows.map(({ at }) => at),
      rows.map(({ author }) => toBytes(author)),
      sealed.map(({ key }) => key),
      starts,
      sealed.map(({ data }) => data.length),
      sealed.map(({ checksum }) => checksum),
    ],
  )
}

/** Reads the rows above `after` up to `until`, each one verified, where none of them is packed; see verifiedRows(). */
export async function readRows(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentKey,
  range: { readonly after: number; readonly until: number },
): Promise<LogRow[]> {
  const rows = await session.rows(
    `SELECT ${ROW_COLUMNS} FROM coweave.updates WHERE document = $1 AND position > $2 AND position <= $3
     ORDER BY position`,
    [document.id, range.after, range.until],
  )
  return [...verifiedRows(keys, document, range, { rows: rows.map(withAuthor), packs: [] })]
}

/**
 * The first rows of that range, at least one if there is any, packed or not; call it inside a transaction that sees one
 * moment, or keeps others from packing. A row that is missing in between is an error.
 */
export async function readPage(
  session: Session,
  keys: KeyRing | undefined,
  document: DocumentKey,
  range: { readonly after: number; readonly until: number },
): Promise<LogRow[]> {
  const packs = await rawPacks(session, document, range, PAGE_PACKS)
  const lastPacked = Number(packs.at(-1)?.[1] ?? 0)
  // Behind the last pack of a full page there may be others, and behind the last row of a page other rows.
  const until = packs.length < PAGE_PACKS ? range.until : Math.min(range.until, lastPacked)
  const rows = await rawPage(session, document, { after: range.after, until })
  const last = rows.at(-1)?.[0]
  const endOfPacks = packs.length > 0 ? Math.min(until, lastPacked) : until
  const end = typeof last === 'number' ? Math.max(last, range.after) : endOfPacks
  return [...verifiedRows(keys, document, { after: range.after, until: end }, { rows, packs })]
}

/** A page as readPage() reads it, not verified. */
export async function rawPage(
  session: Session,
  document: DocumentKey,
  range: { readonly after: number; readonly until: number },
): Promise<unknown[][]> {
  const rows = await session.rows(
    `SELECT ${ROW_COLUMNS} FROM (
       SELECT *, sum(octet_length(data)) OVER (ORDER BY position) - octet_length(data) AS before FROM (
         SELECT * FROM coweave.updates WHERE document = $1 AND position > $2 AND position <= $3
         ORDER BY position LIMIT ${PAGE_ROWS}
       ) AS first
     ) AS page WHERE before < ${PAGE_BYTES} ORDER BY position`,
    [document.id, range.after, range.until],
  )
  return rows.map(withAuthor)
}

function withAuthor([position, at, author, ...others]: readonly unknown[]): unknown[] {
  return [position, at, toText(author), ...others]
}
