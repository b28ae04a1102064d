import type { Database } from 'better-sqlite3'
import { StorageError } from '../storage-error.ts'
import { checksum } from './checksum.ts'

/** A row of `documents`. */
export interface DocumentRecord {
  readonly id: number
  readonly name: string
  readonly createdAt: number
  readonly updatedAt: number
  /** The position of its last row. */
  readonly position: number
  /** Plain bytes of all its rows. */
  readonly bytes: number
  /** How many Yjs client ids belong to somebody. */
  readonly clients: number
}

const COLUMNS = 'id, name, created_at, updated_at, position, bytes, clients, checksum'

export function documentChecksum(record: DocumentRecord): number {
  const { id, name, createdAt, updatedAt, position, bytes, clients } = record
  return checksum([id, createdAt, updatedAt, position, bytes, clients], name)
}

/** @throws {StorageError} `storage/corrupt` */
function parseRecord(values: readonly unknown[]): DocumentRecord {
  const [id, name, createdAt, updatedAt, position, bytes, clients, sum] = values
  if (
    typeof id === 'number' &&
    typeof name === 'string' &&
    typeof createdAt === 'number' &&
    typeof updatedAt === 'number' &&
    typeof position === 'number' &&
    typeof bytes === 'number' &&
    typeof clients === 'number'
  ) {
    const record = { id, name, createdAt, updatedAt, position, bytes, clients }
    if (documentChecksum(record) === sum) return record
  }
  throw new StorageError('storage/corrupt', `${String(name)}: bad checksum in the row of documents with id ${id}`)
}

/** Reads one document's record; undefined for an unknown document. */
export function documentFinder(db: Database): (name: string) => DocumentRecord | undefined {
  const find = db.prepare<[string], unknown[]>(`SELECT ${COLUMNS} FROM documents WHERE name = ?`).raw()
  return (name) => {
    const values = find.get(name)
    return values === undefined ? undefined : parseRecord(values)
  }
}

/** Reads a page of documents, ordered by the bytes of their names. */
export function documentLister(
  db: Database,
): (options: { prefix: string; after: string; limit: number }) => DocumentRecord[] {
  const list = db
    .prepare<{ prefix: string; after: string; limit: number }, unknown[]>(
      `SELECT ${COLUMNS} FROM documents WHERE name >= max(:prefix, :after) AND name > :after ORDER BY name LIMIT :limit`,
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
