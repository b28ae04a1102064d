import type { Database } from 'better-sqlite3'
import { DOCUMENT_COLUMNS, type DocumentRecord, parseRecord } from '../document-record.ts'

/** Reads one document's record; undefined for an unknown document. */
export function documentFinder(db: Database): (name: string) => DocumentRecord | undefined {
  const find = db.prepare<[string], unknown[]>(`SELECT ${DOCUMENT_COLUMNS} FROM documents WHERE name = ?`).raw()
  return (name) => {
    const values = find.get(name)
    return values === undefined ? undefined : parseRecord(values)
  }
}

/** Returns a function that reads the last positions of documents, 0 for an unknown one, all at one moment. */
export function positionReader(db: Database): (names: readonly string[]) => number[] {
  const find = documentFinder(db)
  return db.transaction((names: readonly string[]) => names.map((name) => find(name)?.position ?? 0))
}

/** Reads a page of documents, ordered by the bytes of their names. */
export function documentLister(
  db: Database,
): (options: { prefix: string; after: string; limit: number }) => DocumentRecord[] {
  const list = db
    .prepare<{ prefix: string; after: string; limit: number }, unknown[]>(
      `SELECT ${DOCUMENT_COLUMNS} FROM documents WHERE name >= max(:prefix, :after) AND name > :after ORDER BY name LIMIT :limit`,
    )
    .raw()
  return (options) => {
    const records: DocumentRecord[] = []
    for (const values of list.iterate(options)) {
      const record = parseRecord(values)
      if (!record.name.startsWith(options.prefix)) break // ordered by name: those with the prefix stand together
      records.push(record)
    }
    return records
  }
}
