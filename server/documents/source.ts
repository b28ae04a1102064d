import * as Y from 'yjs'
import { CoweaveError } from '../../model/errors.ts'
import { applyParts, type Part } from '../../persistence/apply-parts.ts'
import { packRows, unpackRows } from '../../persistence/packed-rows.ts'
import { historyForgotten } from '../../persistence/retention.ts'
import type { LogRow, StoredDocument, UpdateLog } from '../../persistence/update-log.ts'

/** What a document is rebuilt from: a snapshot, if there is one, and each row behind it. */
export interface Source {
  readonly document: string
  readonly snapshot: Part | undefined
  readonly rows: readonly LogRow[]
}

/** The same on its way to a thread: `snapshot` and `pages` (packed-rows.ts) are moved, not copied. */
export interface PackedSource {
  readonly document: string
  /** Of the last row; 0 for a document that was never written. */
  readonly position: number
  /** Of the snapshot and the rows, as they are stored. */
  readonly bytes: number
  readonly snapshot: { readonly position: number; readonly data: Uint8Array<ArrayBuffer> } | undefined
  readonly pages: readonly Uint8Array<ArrayBuffer>[]
}

export interface SourceRange {
  /** The first position that is asked about: no snapshot is above it. Undefined for all that there is. */
  readonly base?: number | undefined
  readonly until: number
  /** Of the snapshot and the rows that may be read, as they are stored, each with ROW_BYTES. */
  readonly maxBytes: number
}

/** What a row counts besides its bytes: a keystroke takes far more memory than the bytes it is stored in. */
const ROW_BYTES = 200
/** Below this position reading all rows costs less than a look at whether there is a snapshot. */
const FEW_ROWS = 2_000
/** Rows that are moved to a thread in one piece. */
const PAGE_ROWS = 1_000

/** A document as committed now, whose rows don't tell who wrote them and when. @throws {StorageError} */
export async function newestSource(log: UpdateLog, document: string): Promise<PackedSource> {
  return newest(document, await log.load(document))
}

/**
 * The same, or at an earlier position, which costs all rows up to there where a snapshot was written since.
 * @throws {CoweaveError} `document/no-such-position`, `history/forgotten`, `history/too-big`  @throws {StorageError}
 */
export async function sourceAt(
  log: UpdateLog,
  document: string,
  { position, maxBytes }: { readonly position: number | undefined; readonly maxBytes: number },
): Promise<PackedSource> {
  const stored = await log.load(document)
  if (position === undefined || position === stored.position) return newest(document, stored)
  if (position < stored.position)
    return await readSource(log, document, { base: position, until: position, maxBytes }, stored)
  const problem = `${document} has no position ${position}: its last one is ${stored.position}`
  throw new CoweaveError('document/no-such-position', problem)
}

/**
 * A document up to a position that it had.
 * @throws {CoweaveError} `history/too-big`, and `history/forgotten` where `base` is below where its history begins, also
 * where that moves meanwhile
 * @throws {StorageError}
 */
export async function readSource(
  log: UpdateLog,
  document: string,
  { base, until, maxBytes }: SourceRange,
  stored?: StoredDocument,
): Promise<PackedSource> {
  const epoch = stored?.epoch ?? (await log.epoch(document))
  // What was there before a reset matters only to who asks for it: it may be too much to read.
  const isContent = until >= epoch && (base === undefined || base === 0 || base >= epoch)
  const start = isContent ? epoch : 0
  const snapshot = await snapshotFor(log, document, { position: base, start }, stored)
  const pages: Uint8Array<ArrayBuffer>[] = []
  let [bytes, rows] = [snapshot?.data.length ?? 0, [] as LogRow[]]
  let left = maxBytes - bytes
  if (left < 0) throw tooBig(document, maxBytes)
  for await (const row of log.read(document, snapshot?.position ?? Math.max(0, start - 1), until)) {
    bytes += row.data.length
    left -= row.data.length + ROW_BYTES
    if (left < 0) throw tooBig(document, maxBytes)
    rows.push(row)
    if (rows.length < PAGE_ROWS) continue
    pages.push(packRows(rows))
    rows = []
  }
  pages.push(packRows(rows))
  return { document, position: until, bytes, snapshot, pages }
}

/**
 * The newest snapshot, if it is not above a position, or else where the history begins; undefined where that is with the
 * first row, or before the one at `start`.
 */
async function snapshotFor(
  log: UpdateLog,
  document: string,
  { position, start }: { readonly position: number | undefined; readonly start: number },
  stored?: StoredDocument,
): Promise<PackedSource['snapshot']> {
  if (position !== undefined && (position >= FEW_ROWS || stored !== undefined)) {
    const newest = stored ?? (await log.load(document))
    if (newest.snapshot > 0 && newest.snapshot <= position) return snapshotIn(newest)
  }
  const base = await log.retention.historyBase(document)
  if (base !== undefined && position !== undefined && position < base.position) throw historyForgotten(document, base)
  if (base === undefined || base.position < start) return undefined
  return { position: base.position, data: base.state.slice() }
}

/** What of a source is moved to a thread. */
export function movedOf({ snapshot, pages }: PackedSource): readonly Uint8Array<ArrayBuffer>[] {
  return snapshot === undefined ? pages : [...pages, snapshot.data]
}

export function unpackSource({ document, snapshot, pages }: PackedSource): Source {
  return { document, snapshot, rows: pages.flatMap(unpackRows) }
}

/** The document as it is after all rows. @throws {StorageError} `storage/corrupt` */
export function rebuild({ document, snapshot, rows }: Source): Y.Doc {
  const doc = new Y.Doc()
  applyParts(doc, document, snapshot === undefined ? rows : [snapshot, ...rows])
  return doc
}

/**
 * A document that keeps what was deleted since its snapshot, as far as rows have it; `rows` are applied later.
 * @throws {StorageError} `storage/corrupt`
 */
export function openSource({ document, snapshot }: Source): Y.Doc {
  const doc = new Y.Doc({ gc: false })
  if (snapshot !== undefined) applyParts(doc, document, [snapshot])
  return doc
}

function newest(document: string, stored: StoredDocument): PackedSource {
  const { position, parts } = stored
  const snapshot = snapshotIn(stored)
  const tail = snapshot === undefined ? parts : parts.slice(1)
  const rows = tail.map((data, index) => ({ position: position - tail.length + 1 + index, at: 0, author: '', data }))
  const bytes = parts.reduce((sum, { length }) => sum + length, 0)
  return { document, position, bytes, snapshot, pages: [packRows(rows)] }
}

/** A copy, since the parts are views on one piece of memory. */
function snapshotIn({ snapshot, parts: [data] }: StoredDocument): PackedSource['snapshot'] {
  return snapshot > 0 && data !== undefined ? { position: snapshot, data: data.slice() } : undefined
}

function tooBig(document: string, maxBytes: number): CoweaveError {
  const problem = `the history of ${document} has more than HISTORY_BYTES (${maxBytes})`
  return new CoweaveError('history/too-big', problem)
}
