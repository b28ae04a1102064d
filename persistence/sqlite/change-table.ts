import type { Database } from 'better-sqlite3'
import { isRoomName } from '../../model/rooms.ts'
import type { DocumentRecord } from '../document-record.ts'
import { documentChanged, type EventStore, MAX_AUTHORS, type NewEvent, type UntoldChange } from '../event-store.ts'

type UntoldOptions = Parameters<EventStore['untold']>[0]

/** Returns a function that notes that a document has updates behind `since`; call it inside their transaction. */
export function changeNoter(db: Database): (record: DocumentRecord, since: number, at: number) => void {
  const note = db.prepare('INSERT INTO untold (document, since, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  return ({ id, name }, since, at) => {
    if (!isRoomName(name)) note.run(id, since, at)
  }
}

/** Returns a function that forgets that a document has any. */
export function changeForgetter(db: Database): (record: DocumentRecord) => void {
  const forget = db.prepare('DELETE FROM untold WHERE document = ?')
  return ({ id }) => {
    forget.run(id)
  }
}

/** As EventStore says. */
export function untoldReader(db: Database): (options: UntoldOptions) => UntoldChange[] {
  const read = db.prepare<UntoldOptions, UntoldChange>(
    `SELECT d.name AS document, u.since, u.at FROM untold u JOIN documents d ON d.id = u.document
     WHERE d.deleted_at IS NULL AND (d.updated_at <= :quietSince OR u.at <= :waitingSince) ORDER BY u.at LIMIT :limit`,
  )
  return (options) => read.all(options)
}

/** Returns a function that forgets that documents have untold updates, and gives what is to be told of them instead. */
export function changeTaker(db: Database): (documents: readonly string[]) => NewEvent[] {
  const find = db.prepare<[string], { id: number; since: number; position: number; at: number }>(
    `SELECT d.id, u.since, d.position, d.updated_at AS at FROM untold u JOIN documents d ON d.id = u.document
     WHERE d.name = ? AND d.deleted_at IS NULL`,
  )
  const authors = db
    .prepare<[number, number, number], string>(
      `SELECT DISTINCT author FROM updates WHERE document = ? AND position > ? AND position <= ? LIMIT ${MAX_AUTHORS + 1}`,
    )
    .pluck()
  const forget = db.prepare('DELETE FROM untold WHERE document = ?')
  return (documents) =>
    documents.flatMap((document) => {
      const found = find.get(document)
      if (found === undefined) return []
      const { id, since, position, at } = found
      forget.run(id)
      return [documentChanged({ document, since, position, at, authors: authors.all(id, since, position) })]
    })
}

/** As PortableLog says; call it inside a transaction. */
export function untoldRestorer(db: Database): (changes: readonly UntoldChange[]) => void {
  const clear = db.prepare('DELETE FROM untold')
  const insert = db.prepare('INSERT INTO untold (document, since, at) SELECT id, ?, ? FROM documents WHERE name = ?')
  return (changes) => {
    clear.run()
    for (const { document, since, at } of changes) insert.run(since, at, document)
  }
}
