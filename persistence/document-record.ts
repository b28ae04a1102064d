import { checksum } from './checksum.ts'
import { StorageError } from './storage-error.ts'
import type { Deletion } from './update-log.ts'

/** How far the erasing of a deleted document has come: a number in its row. */
export const Erasure = { None: 0, Begun: 1, Done: 2 } as const
export type Erasure = (typeof Erasure)[keyof typeof Erasure]

/** What a deleted document leaves in its row. */
export interface Tombstone {
  readonly at: number
  readonly by: string
  readonly erasure: Erasure
}

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
  /** Undefined unless it is deleted. */
  readonly tombstone: Tombstone | undefined
}

export type DocumentKey = Pick<DocumentRecord, 'id' | 'name'>

/** What parseRecord() takes. */
export const DOCUMENT_COLUMNS =
  'id, name, created_at, updated_at, position, bytes, clients, deleted_at, deleted_by, erasure, checksum'

export function documentChecksum(record: DocumentRecord): number {
  const { id, name, createdAt, updatedAt, position, bytes, clients, tombstone } = record
  const counts = [id, createdAt, updatedAt, position, bytes, clients]
  // As it was before there were deletions, for all that are not deleted.
  if (tombstone === undefined) return checksum(counts, name)
  return checksum([...counts, tombstone.at, tombstone.erasure], name, tombstone.by)
}

/** The deletion that a tombstone tells of. */
export function deletionOf({ at, by, erasure }: Tombstone): Deletion {
  return { at, by, isErased: erasure !== Erasure.None }
}

/** A deleted document's record once its erasing has begun: what is left in other tables belongs to nothing. */
export function erasedRecord(record: DocumentRecord, tombstone: Omit<Tombstone, 'erasure'>): DocumentRecord {
  const { id, name } = record
  const { at, by } = tombstone
  const counts = { createdAt: at, updatedAt: at, position: 0, bytes: 0, clients: 0 }
  return { id, name, ...counts, tombstone: { at, by, erasure: Erasure.Begun } }
}

/** Verifies a row of the table of documents. @throws {StorageError} `storage/corrupt` */
export function parseRecord(values: readonly unknown[]): DocumentRecord {
  const [id, name, createdAt, updatedAt, position, bytes, clients, deletedAt, deletedBy, erasure, sum] = values
  if (
    typeof id === 'number' &&
    typeof name === 'string' &&
    typeof createdAt === 'number' &&
    typeof updatedAt === 'number' &&
    typeof position === 'number' &&
    typeof bytes === 'number' &&
    typeof clients === 'number'
  ) {
    const tombstone = parseTombstone(deletedAt, deletedBy, erasure)
    const record = { id, name, createdAt, updatedAt, position, bytes, clients, tombstone }
    if (documentChecksum(record) === sum) return record
  }
  throw new StorageError('storage/corrupt', `${String(name)}: bad checksum in the row of documents with id ${id}`)
}

/** What is no tombstone is none: the checksum tells whether that is true. */
function parseTombstone(at: unknown, by: unknown, erasure: unknown): Tombstone | undefined {
  const user = by instanceof Uint8Array ? Buffer.from(by).toString() : by
  const known = Object.values(Erasure).find((value) => value === erasure)
  if (typeof at !== 'number' || typeof user !== 'string' || known === undefined) return undefined
  return { at, by: user, erasure: known }
}
