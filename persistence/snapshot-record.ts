import { randomInt } from 'node:crypto'
import { checksum } from './checksum.ts'
import type { TailWeight } from './compaction.ts'
import type { DocumentKey, DocumentRecord } from './document-record.ts'
import type { KeyRing } from './encryption.ts'
import { type SealContext, type SealedBytes, seal, unseal } from './sealed-bytes.ts'
import type { Snapshot } from './snapshot-builder.ts'
import { StorageError } from './storage-error.ts'

/** Snapshots are stored in parts of this size. */
const PART_BYTES = 1024 * 1024
const MAX_ID = 2 ** 48 - 1

/** A row of the table of snapshots. */
export interface SnapshotRecord {
  readonly id: number
  readonly position: number
  readonly bytes: number
  /** Plain bytes of all rows up to `position`. */
  readonly logBytes: number
  readonly parts: number
  /** As Snapshot has it. Snapshots of before there was one have none. */
  readonly vector: Uint8Array | undefined
}

/** Stands for "no snapshot", so that sums over the tail need no special case. */
export const NO_SNAPSHOT: SnapshotRecord = { id: 0, position: 0, bytes: 0, logBytes: 0, parts: 0, vector: undefined }

/** The record of a snapshot that is to be written. */
export function newSnapshot(
  { position, logBytes }: Pick<SnapshotRecord, 'position' | 'logBytes'>,
  { state, vector }: Snapshot,
): SnapshotRecord {
  const parts = Math.ceil(state.length / PART_BYTES)
  return { id: randomInt(1, MAX_ID), position, bytes: state.length, logBytes, parts, vector }
}

/** One of the parts of a snapshot, from 0. */
export function partOf(state: Uint8Array, part: number): Uint8Array {
  return state.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
}

/** What parseSnapshot() takes. */
export const SNAPSHOT_COLUMNS = 'id, position, bytes, log_bytes, parts, vector, checksum'

export interface SealedPart extends SealedBytes {
  readonly checksum: number
}

export function snapshotChecksum(documentId: number, record: SnapshotRecord): number {
  const { id, position, bytes, logBytes, parts, vector } = record
  return checksum([documentId, id, position, bytes, logBytes, parts], ...(vector === undefined ? [] : [vector]))
}

/** Verifies a row of the table of snapshots. @throws {StorageError} `storage/corrupt`, naming the document */
export function parseSnapshot(document: DocumentKey, values: readonly unknown[]): SnapshotRecord {
  const [id, position, bytes, logBytes, parts, vector, sum] = values
  if (
    typeof id === 'number' &&
    typeof position === 'number' &&
    typeof bytes === 'number' &&
    typeof logBytes === 'number' &&
    typeof parts === 'number' &&
    (vector === null || vector instanceof Uint8Array)
  ) {
    const record = { id, position, bytes, logBytes, parts, vector: vector ?? undefined }
    if (snapshotChecksum(document.id, record) === sum) return record
  }
  throw damaged(document, position)
}

export function sealPart(
  keys: KeyRing | undefined,
  document: DocumentKey,
  record: SnapshotRecord,
  part: number,
  plain: Uint8Array,
): SealedPart {
  const { key, data } = seal(keys, plain, context(document, record, part))
  return { key, data, checksum: checksum([record.id, part], key ?? '', data) }
}

/**
 * Verifies the parts of a snapshot, rows of part, key, data and checksum, and puts them together.
 * @throws {StorageError} `storage/corrupt` or `storage/key`, naming the document
 */
export function joinParts(
  keys: KeyRing | undefined,
  document: DocumentKey,
  record: SnapshotRecord,
  rows: Iterable<readonly unknown[]>,
): Uint8Array {
  const state = new Uint8Array(record.bytes)
  let offset = 0
  let expected = 0
  for (const [part, key, data, sum] of rows) {
    const valid =
      part === expected &&
      (key === null || typeof key === 'string') &&
      data instanceof Uint8Array &&
      checksum([record.id, part], key ?? '', data) === sum
    if (!valid) throw damaged(document, record.position)
    const plain = unseal(keys, { key, data }, context(document, record, part))
    if (offset + plain.length > state.length) throw damaged(document, record.position)
    state.set(plain, offset)
    offset += plain.length
    expected++
  }
  if (expected !== record.parts || offset !== record.bytes) throw damaged(document, record.position)
  return state
}

/** Where the content begins that a document had at a position: snapshots below are of something else. */
export function epochOf({ epoch }: Pick<DocumentRecord, 'epoch'>, position: number): number {
  return position >= epoch ? epoch : 0
}

/** Rows above this position, up to `until`, are to be applied to the snapshot, or to nothing. */
export function tailStart(record: DocumentRecord, { position }: SnapshotRecord, until = record.position): number {
  return Math.max(position, epochOf(record, until) - 1)
}

/** What the tail behind the snapshot weighs; see shouldCompact(). */
export function tailWeight(record: DocumentRecord, snapshot: SnapshotRecord): TailWeight {
  return {
    tailBytes: record.bytes - snapshot.logBytes,
    tailRows: record.position - tailStart(record, snapshot),
    snapshotBytes: snapshot.bytes,
  }
}

function context(document: DocumentKey, record: SnapshotRecord, part: number): SealContext {
  return { kind: 'snapshot', document: document.name, position: record.position, details: [part, record.parts] }
}

/** No snapshot stands where the document's history begins. */
export function missingBase({ name, forgotten }: Pick<DocumentRecord, 'name' | 'forgotten'>): StorageError {
  return new StorageError('storage/corrupt', `${name}: the snapshot at position ${forgotten} is missing`)
}

function damaged(document: DocumentKey, position: unknown): StorageError {
  return new StorageError('storage/corrupt', `${document.name}: the snapshot at position ${position} is damaged`)
}
