import type { Database } from 'better-sqlite3'
import { besideOf, chatBeside, goesWith } from '../beside.ts'
import {
  DOCUMENT_COLUMNS,
  type DocumentRecord,
  documentChecksum,
  parseRecord,
  type Tombstone,
} from '../document-record.ts'
import { DELETED } from '../update-log.ts'

/** Reads one document's record; undefined for an unknown document. */
export function documentFinder(db: Database): (name: string) => DocumentRecord | undefined {
  const find = db.prepare<[string], unknown[]>(`SELECT ${DOCUMENT_COLUMNS} FROM documents WHERE name = ?`).raw()
  return (name) => {
    const values = find.get(name)
    return values === undefined ? undefined : parseRecord(values)
  }
}

/**
 * Returns a function that tells whether a document is deleted, by its record or, where it has none, since it would be in
 * the chat beside one that is.
 */
export function tombstoneFinder(
  db: Database,
): (name: string, record: DocumentRecord | undefined) => Tombstone | undefined {
  const find = documentFinder(db)
  return (name, record) => {
    if (record !== undefined) return record.tombstone
    const beside = besideOf(name)
    return beside === undefined ? undefined : find(beside)?.tombstone
  }
}

/** Returns a function that reads the last positions of documents as positions() has them, all at one moment. */
export function positionReader(db: Database): (names: readonly string[]) => number[] {
  const find = documentFinder(db)
  const findTombstone = tombstoneFinder(db)
  return db.transaction((names: readonly string[]) =>
    names.map((name) => {
      const record = find(name)
      return findTombstone(name, record) === undefined ? (record?.position ?? 0) : DELETED
    }),
  )
}

/** Returns a function that reads the records of a document and of the chat beside it, as far as there are any. */
export function familyReader(db: Database): (document: string) => DocumentRecord[] {
  const select = db
    .prepare<[string, string, string, string], unknown[]>(
      `SELECT ${DOCUMENT_COLUMNS} FROM documents WHERE name = ? OR name = ? OR (name > ? AND name < ?) ORDER BY name`,
    )
    .raw()
  return (document) => {
    const { head, above, below } = chatBeside(document)
    const records = select.all(document, head, above, below).map(parseRecord)
    return records.filter(({ name }) => goesWith(document, name))
  }
}

/** Returns a function that writes all of a record but its name. */
export function recordWriter(db: Database): (record: DocumentRecord) => void {
  const update = db.prepare(
    `UPDATE documents SET created_at = ?, updated_at = ?, position = ?, bytes = ?, clients = ?, epoch = ?,
       forgotten = ?, forgotten_at = ?, deleted_at = ?, deleted_by = ?, erasure = ?, checksum = ? WHERE id = ?`,
  )
  return (record) => {
    const { id, createdAt, updatedAt, position, bytes, clients, epoch, forgotten, forgottenAt, tombstone } = record
    const { at = null, by = null, erasure = null } = tombstone ?? {}
    const counts = [position, bytes, clients, epoch, forgotten, forgottenAt]
    update.run(createdAt, updatedAt, ...counts, at, by, erasure, documentChecksum(record), id)
  }
}

/** Reads a page of documents, ordered by the bytes of their names. */
export function documentLister(
  db: Database,
): (options: { prefix: string; after: string; limit: number; deleted: boolean }) => DocumentRecord[] {
  const listing = (condition: string) =>
    db
      .prepare<{ prefix: string; after: string; limit: number }, unknown[]>(
        `SELECT ${DOCUMENT_COLUMNS} FROM documents
         WHERE name >= max(:prefix, :after) AND name > :after AND deleted_at ${condition} ORDER BY name LIMIT :limit`,
      )
      .raw()
  const [live, deletedOnes] = [listing('IS NULL'), listing('IS NOT NULL')]
  return ({ deleted, ...options }) => {
    const records: DocumentRecord[] = []
    for (const values of (deleted ? deletedOnes : live).iterate(options)) {
      const record = parseRecord(values)
      if (!record.name.startsWith(options.prefix)) break // ordered by name: those with the prefix stand together
      records.push(record)
    }
    return records
  }
}

/** Returns a function that lists what erasable() lists. */
export function erasableLister(db: Database): (options: { before: number; limit: number }) => string[] {
  const list = db
    .prepare<{ before: number; limit: number }, unknown>(
      `SELECT name FROM documents WHERE erasure < 2 AND (deleted_at <= :before OR erasure = 1)
         AND substr(name, 1, 5) <> 'chat/' ORDER BY deleted_at LIMIT :limit`,
    )
    .pluck()
  return (options) => list.all(options).map(String)
}
