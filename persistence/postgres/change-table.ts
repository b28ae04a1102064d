import { isRoomName } from '../../model/rooms.ts'
import type { DocumentKey } from '../document-record.ts'
import { documentChanged, type EventStore, MAX_AUTHORS, type NewEvent, type UntoldChange } from '../event-store.ts'
import { type Session, toText } from './session.ts'

/** A document that has updates behind `since`, the first of them taken at `at`. */
export interface NotedChange {
  readonly document: DocumentKey
  readonly since: number
  readonly at: number
}

/** Notes that documents have updates; call it inside their transaction, which holds the locks of these documents. */
export async function noteChanges(session: Session, changes: readonly NotedChange[]): Promise<void> {
  const noted = changes.filter(({ document }) => !isRoomName(document.name))
  if (noted.length === 0) return
  await session.rows(
    `INSERT INTO coweave.untold (document, since, at) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
     ON CONFLICT DO NOTHING`,
    [noted.map(({ document }) => document.id), noted.map(({ since }) => since), noted.map(({ at }) => at)],
  )
}

/** Forgets that documents have any; call it inside a transaction that holds their locks. */
export async function forgetChanges(session: Session, documents: readonly DocumentKey[]): Promise<void> {
  await session.rows('DELETE FROM coweave.untold WHERE document = ANY ($1::bigint[])', [documents.map(({ id }) => id)])
}

/** As EventStore says. */
export async function readUntold(
  session: Session,
  { quietSince, waitingSince, limit }: Parameters<EventStore['untold']>[0],
): Promise<UntoldChange[]> {
  const rows = await session.rows(
    `SELECT d.name, u.since, u.at FROM coweave.untold u JOIN coweave.documents d ON d.id = u.document
     WHERE d.deleted_at IS NULL AND (d.updated_at <= $1 OR u.at <= $2) ORDER BY u.at LIMIT $3`,
    [quietSince, waitingSince, limit],
  )
  return rows.map(([document, since, at]) => ({ document: String(document), since: Number(since), at: Number(at) }))
}

/**
 * Forgets that documents have untold updates, and gives what is to be told of them instead; call it inside the
 * transaction that tells it. Whoever appends to one of them comes before or after.
 */
export async function takeChanges(session: Session, documents: readonly string[]): Promise<NewEvent[]> {
  const locked = await session.rows(
    `SELECT id, name, position, updated_at FROM coweave.documents
     WHERE name = ANY ($1::text[]) AND deleted_at IS NULL ORDER BY name FOR UPDATE`,
    [documents],
  )
  const taken = await session.rows(
    'DELETE FROM coweave.untold WHERE document = ANY ($1::bigint[]) RETURNING document, since',
    [locked.map(([id]) => id)],
  )
  const since = new Map(taken.map(([id, since]) => [Number(id), Number(since)]))
  const events: NewEvent[] = []
  for (const [id, name, position, at] of locked) {
    const before = since.get(Number(id))
    if (before === undefined) continue
    const authors = await session.rows(
      `SELECT DISTINCT author FROM coweave.updates
       WHERE document = $1 AND position > $2 AND position <= $3 LIMIT ${MAX_AUTHORS + 1}`,
      [id, before, position],
    )
    events.push(
      documentChanged({
        document: String(name),
        since: before,
        position: Number(position),
        at: Number(at),
        authors: authors.map(([author]) => String(toText(author))),
      }),
    )
  }
  return events
}

/** As PortableLog says; call it inside a transaction. */
export async function restoreUntold(session: Session, changes: readonly UntoldChange[]): Promise<void> {
  await session.rows('DELETE FROM coweave.untold')
  await session.rows(
    `INSERT INTO coweave.untold (document, since, at) SELECT d.id, given.since, given.at
     FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS given (name, since, at)
     JOIN coweave.documents d ON d.name = given.name`,
    [changes.map(({ document }) => document), changes.map(({ since }) => since), changes.map(({ at }) => at)],
  )
}
