import type { DocumentKey } from '../document-record.ts'
import { parseSeen, seenChecksum } from '../seen-row.ts'
import type { Seen } from '../seen-store.ts'
import { findRecord } from './document-table.ts'
import { type Session, toBytes, toText } from './session.ts'

/** Reads what users have seen of a document, by user, from the first behind `after`. */
export async function readSeen(
  session: Session,
  document: DocumentKey,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Seen[]> {
  const rows = await session.rows(
    `SELECT owner, position, at, checksum FROM coweave.seen WHERE document = $1 AND owner > $2 ORDER BY owner LIMIT $3`,
    [document.id, toBytes(after), limit],
  )
  return rows.map(([owner, ...values]) => parseSeen(document, [toText(owner), ...values]))
}

/** Reads what one user has seen of a document. */
export async function findSeen(session: Session, document: DocumentKey, user: string): Promise<Seen | undefined> {
  const [row] = await session.rows(
    'SELECT owner, position, at, checksum FROM coweave.seen WHERE document = $1 AND owner = $2',
    [document.id, toBytes(user)],
  )
  return row === undefined ? undefined : parseSeen(document, [toText(row[0]), ...row.slice(1)])
}

/** As SeenStore says; call it inside a transaction. */
export async function raiseSeen(session: Session, name: string, seen: readonly Seen[]): Promise<void> {
  const document = await findRecord(session, name)
  if (document === undefined || seen.length === 0) return
  // In one order, so that two who write the same rows wait for each other and don't block each other.
  const sorted = [...seen].sort((left, right) => Buffer.compare(toBytes(left.user), toBytes(right.user)))
  await session.rows(
    `INSERT INTO coweave.seen AS s (document, owner, position, at, checksum)
     SELECT $1, owner, position, at, checksum
     FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::int[]) AS given (owner, position, at, checksum)
     ON CONFLICT (document, owner) DO UPDATE
       SET position = excluded.position, at = excluded.at, checksum = excluded.checksum
       WHERE excluded.position > s.position`,
    [
      document.id,
      sorted.map(({ user }) => toBytes(user)),
      sorted.map(({ position }) => position),
      sorted.map(({ at }) => at),
      sorted.map((one) => seenChecksum(document, one)),
    ],
  )
}
