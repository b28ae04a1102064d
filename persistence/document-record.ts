import { checksum } from './checksum.ts'
import { StorageError } from './storage-error.ts'

/** A row of the table of documents. */
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

export type DocumentKey = Pick<DocumentRecord, 'id' | 'name'>

/** What parseRecord() takes. */
export const DOCUMENT_COLUMNS = 'id, name, created_at, updated_at, position, bytes, clients, checksum'

export function documentChecksum(record: DocumentRecord): number {
  const { id, name, createdAt, updatedAt, position, bytes, clients } = record
  return checksum([id, createdAt, updatedAt, position, bytes, clients], name)
}

/** Verifies a row of the table of documents. @throws {StorageError} `storage/corrupt` */
export function parseRecord(values: readonly unknown[]): DocumentRecord {
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
