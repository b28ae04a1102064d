import { checksum } from './checksum.ts'
import type { RestoredBase } from './restorer.ts'
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
  /** Plain bytes of all its rows, forgotten ones too. */
  readonly bytes: number
  /** How many Yjs client ids belong to somebody. */
  readonly clients: number
  /**
   * Up to this position rows are forgotten: those that are still there belong to nothing. A snapshot stands there, which
   * stays as long as this does. 0 where all rows are kept.
   */
  readonly forgotten: number
  /** When the row at that position was taken. */
  readonly forgottenAt: number
  /** The position that its content begins with since it was reset; 0 for one that never was. */
  readonly epoch: number
  /** Undefined unless it is deleted. */
  readonly tombstone: Tombstone | undefined
}

export type DocumentKey = Pick<DocumentRecord, 'id' | 'name'>

/** What parseRecord() takes. */
export const DOCUMENT_COLUMNS =
  'id, name, created_at, updated_at, position, bytes, clients, epoch, forgotten, forgotten_at, deleted_at, deleted_by, erasure, checksum'

/** Of a document that has no rows. */
export const NO_ROWS = { position: 0, bytes: 0, clients: 0, epoch: 0, forgotten: 0, forgottenAt: 0 } as const

export function documentChecksum(record: DocumentRecord): number {
  const { id, name, createdAt, updatedAt, position, bytes, clients, epoch, forgotten, forgottenAt, tombstone } = record
  // As it was before there were deletions and resets and rows were forgotten, for all others.
  const counts = [id, createdAt, updatedAt, position, bytes, clients]
  if (forgotten > 0) counts.push(forgotten, forgottenAt)
  if (epoch > 0) counts.push(epoch)
  if (tombstone === undefined) return checksum(counts, name)
  return checksum([...counts, tombstone.at, tombstone.erasure], name, tombstone.by)
}

/** Whether a document can be rebuilt as it was at a position. */
export function hasPosition({ forgotten, position: last }: DocumentRecord, position: number): boolean {
  return position >= forgotten && position <= last
}

/** The deletion that a tombstone tells of. */
export function deletionOf({ at, by, erasure }: Tombstone): Deletion {
  return { at, by, isErased: erasure !== Erasure.None }
}

/** A deleted document's record once its erasing has begun: what is left in other tables belongs to nothing. */
export function erasedRecord(record: DocumentRecord, tombstone: Omit<Tombstone, 'erasure'>): DocumentRecord {
  const { id, name } = record
  const { at, by } = tombstone
  return { id, name, createdAt: at, updatedAt: at, ...NO_ROWS, tombstone: { at, by, erasure: Erasure.Begun } }
}

/** Of a document that is restored without the rows that were forgotten. */
export function baseRecord(
  id: number,
  { name, createdAt, updatedAt, base, epoch, claims }: RestoredBase,
): DocumentRecord {
  const { position, at, logBytes } = base
  const counts = { position, bytes: logBytes, clients: claims.length, epoch, forgotten: position, forgottenAt: at }
  return { id, name, createdAt, updatedAt, ...counts, tombstone: undefined }
}

/** Verifies a row of the table of documents. @throws {StorageError} `storage/corrupt` */
export function parseRecord(values: readonly unknown[]): DocumentRecord {
  const [id, name, createdAt, updatedAt, position, bytes, clients, ...others] = values
  const [epoch, forgottenPosition, forgottenTime, deletedAt, deletedBy, erasure, sum] = others
  if (
    typeof id === 'number' &&
    typeof name === 'string' &&
    typeof createdAt === 'number' &&
    typeof updatedAt === 'number' &&
    typeof position === 'number' &&
    typeof bytes === 'number' &&
    typeof clients === 'number' &&
    typeof epoch === 'number'
  ) {
    const forgotten = typeof forgottenPosition === 'number' ? forgottenPosition : 0
    const forgottenAt = typeof forgottenTime === 'number' ? forgottenTime : 0
    const tombstone = parseTombstone(deletedAt, deletedBy, erasure)
    const counts = { position, bytes, clients, epoch, forgotten, forgottenAt }
    const record = { id, name, createdAt, updatedAt, ...counts, tombstone }
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
