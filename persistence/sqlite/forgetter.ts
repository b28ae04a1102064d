import type { Database } from 'better-sqlite3'
import type { DocumentRecord } from '../document-record.ts'
import type { KeyRing } from '../encryption.ts'
import { buildSnapshot } from '../snapshot-builder.ts'
import { tailStart } from '../snapshot-record.ts'
import { StorageError } from '../storage-error.ts'
import { documentFinder, recordWriter } from './document-table.ts'
import { emptyWal } from './empty-wal.ts'
import { packCutter } from './pack-table.ts'
import { rowEraser } from './row-eraser.ts'
import { snapshotFinder, snapshotReader } from './snapshot-table.ts'
import { HAS_ALL_PARTS, SnapshotWriter, snapshotRetirer } from './snapshot-writer.ts'
import { rowReader } from './update-table.ts'
import { wordMerger } from './word-merger.ts'
import { yielding } from './yielding.ts'

/** After so long an answer is given, so that whoever wants the thread to end need not wait for a whole document. */
const SLICE_MS = 200
/** Rows of so many bytes go into one snapshot at most, so that memory stays bounded. */
const ROUND_BYTES = 64 * 1024 * 1024
/** How often another process may come between, before it is left to a later call. */
const MAX_LOST = 20
/** How often the index of words is written anew, which is that of all documents. */
const MERGE_MS = 24 * 60 * 60 * 1000

/** How far forgetting has come. */
export interface Forgetting {
  readonly position: number
  readonly isDone: boolean
}

/** A snapshot at which the history of a document is to begin. */
interface NewStart {
  readonly position: number
  readonly at: number
  readonly snapshot: number
}

/**
 * Forgets the first rows of documents; see Retention.forget(). First a snapshot is made where the history is to begin. The
 * transaction that makes it count also says so in the document's record: from there on, the rows up to it belong to
 * nothing, and whoever comes deletes them.
 */
export class Forgetter {
  readonly #db: Database
  readonly #find
  readonly #save
  readonly #findSnapshot
  readonly #readSnapshot
  readonly #rows
  readonly #snapshots: SnapshotWriter
  readonly #lowestVersion
  readonly #complete
  readonly #retire
  readonly #eraseRows
  readonly #erasePacks
  readonly #cutPack
  readonly #touch
  readonly #hasText
  readonly #dropText
  readonly #outdate
  #merge: (() => boolean) | undefined
  #mergedAt = 0
  /** Whether something was forgotten that may not be on disk, or still in the write-ahead log. */
  #isUnfinished = false
  #lost = 0

  constructor(db: Database, keys: KeyRing | undefined) {
    this.#db = db
    this.#find = documentFinder(db)
    this.#save = recordWriter(db)
    this.#findSnapshot = snapshotFinder(db)
    this.#readSnapshot = snapshotReader(db, keys)
    this.#rows = rowReader(db, keys)
    this.#snapshots = new SnapshotWriter(db, keys)
    this.#lowestVersion = db
      .prepare<[number], number | null>('SELECT min(position) FROM versions WHERE document = ?')
      .pluck()
    this.#complete = db.prepare<{ id: number; document: number; position: number }>(
      `UPDATE snapshots SET complete = 1 WHERE id = :id AND ${HAS_ALL_PARTS} AND NOT EXISTS (
         SELECT 1 FROM snapshots WHERE document = :document AND complete = 1 AND position = :position AND id <> :id)`,
    )
    this.#retire = snapshotRetirer(db)
    this.#eraseRows = rowEraser<number>(db, 'updates', 'document', 'position')
    this.#erasePacks = rowEraser<number>(db, 'packs', 'document', 'last')
    this.#cutPack = packCutter(db, keys)
    this.#hasText = db.prepare<[number]>('SELECT 1 FROM text_states WHERE document = ?')
    this.#dropText = db.prepare<{ id: number; forgotten: number }>(
      `DELETE FROM texts WHERE document = :id
         AND EXISTS (SELECT 1 FROM text_states WHERE document = :id AND position < :forgotten)`,
    )
    this.#outdate = db.prepare<{ id: number; forgotten: number }>(
      'UPDATE text_states SET position = 0 WHERE document = :id AND position < :forgotten',
    )
    this.#touch = db.prepare<[string]>('UPDATE documents SET forgotten = forgotten WHERE name = ?')
  }

  /** Forgets for a while. */
  async run(document: string, until: number): Promise<Forgetting> {
    const deadline = performance.now() + SLICE_MS
    for (;;) {
      const forgets = (await this.#move(document, until)) || (await yielding(() => this.#eraseSome(document)))
      this.#isUnfinished ||= forgets
      const goesOn = forgets || (this.#isUnfinished && (await yielding(() => this.#forgetWords(document))))
      if (!goesOn && this.#isUnfinished) await this.#finish(document)
      if (!goesOn || performance.now() > deadline) {
        return { position: this.#find(document)?.forgotten ?? 0, isDone: !goesOn }
      }
    }
  }

  #target(record: DocumentRecord, until: number): number {
    const lowest = this.#lowestVersion.get(record.id) ?? until
    return Math.min(until, record.position, lowest)
  }

  /** Moves the beginning of the history on, as far as one snapshot can. False where it is as far as it can be. */
  async #move(document: string, until: number): Promise<boolean> {
    const source = this.#db.transaction(() => this.#readSource(document, until))()
    if (source === undefined) return false
    const { record, snapshot, parts, last } = source
    let id: number | undefined = snapshot.id
    if (snapshot.position < last.position) {
      const logBytes = snapshot.logBytes + source.rowBytes
      const made = buildSnapshot({ name: document, parts })
      id = (await this.#snapshots.add(record, { position: last.position, logBytes }, made))?.id
    }
    const moved = id !== undefined && this.#publish(record, { position: last.position, at: last.at, snapshot: id })
    await this.#snapshots.deleteLeftovers(record.id)
    this.#lost = moved ? 0 : this.#lost + 1
    if (this.#lost <= MAX_LOST) return true
    const message = `${document}: others change its snapshots all the time; its history was not forgotten`
    throw new StorageError('storage/unavailable', message)
  }

  /** The newest snapshot that isn't above the new beginning, and rows behind it; undefined where it needn't move. */
  #readSource(document: string, until: number) {
    const record = this.#find(document)
    if (record === undefined) return undefined
    const target = this.#target(record, until)
    if (target <= record.forgotten) return undefined
    const snapshot = this.#findSnapshot(record, target)
    const isThere = snapshot.position === target
    const rows = takeSome(this.#rows(record, isThere ? target - 1 : tailStart(record, snapshot, target), target))
    const first = snapshot.position > 0 && !isThere ? [{ ...snapshot, data: this.#readSnapshot(record, snapshot) }] : []
    const rowBytes = rows.reduce((sum, { data }) => sum + data.length, 0)
    const last = rows.at(-1)
    return last && { record, snapshot, parts: [...first, ...rows], last, rowBytes }
  }

  /** Lets the history begin at a snapshot, unless somebody else has changed what it was made for. */
  #publish(record: DocumentRecord, { position, at, snapshot }: NewStart): boolean {
    const publish = this.#db.transaction(() => {
      const now = this.#find(record.name)
      if (now === undefined || now.id !== record.id || now.createdAt !== record.createdAt) return false
      if (now.forgotten !== record.forgotten || this.#target(now, position) < position) return false
      if (this.#complete.run({ id: snapshot, document: now.id, position }).changes === 0) return false
      this.#save({ ...now, forgotten: position, forgottenAt: at })
      this.#retire(now.id)
      return true
    })
    return this.#synced(() => publish.immediate())
  }

  /** Deletes some of the rows that are forgotten. False where there are none. */
  #eraseSome(document: string): boolean {
    const erase = this.#db.transaction(() => {
      const record = this.#find(document)
      if (record === undefined || record.forgotten === 0) return false
      const { id, forgotten } = record
      return this.#eraseRows(id, forgotten) || this.#erasePacks(id, forgotten) || this.#cutPack(record, forgotten)
    })
    return erase.immediate()
  }

  /**
   * A text that is older than the beginning of the history goes, to be made anew. What was deleted of newer ones goes out of
   * the index of words at most once a day. True while there is more.
   */
  #forgetWords(document: string): boolean {
    const forget = this.#db.transaction(() => {
      const record = this.#find(document)
      if (record === undefined || this.#hasText.get(record.id) === undefined) return false
      this.#dropText.run(record)
      this.#outdate.run(record)
      if (Date.now() - this.#mergedAt < MERGE_MS) return false
      this.#merge ??= wordMerger(this.#db, 'texts_words')
      if (this.#merge()) return true
      this.#merge = undefined
      this.#mergedAt = Date.now()
      return false
    })
    return forget.immediate()
  }

  async #finish(document: string): Promise<void> {
    const record = this.#find(document)
    if (record !== undefined) await this.#snapshots.deleteLeftovers(record.id)
    this.#synced(() => this.#touch.run(document))
    await emptyWal(this.#db)
    this.#isUnfinished = false
  }

  /** With what was written before, this is on disk once it returns. */
  #synced<T>(write: () => T): T {
    this.#db.pragma('synchronous = FULL')
    const result = write()
    this.#db.pragma('synchronous = NORMAL')
    return result
  }
}

function takeSome<Row extends { readonly data: Uint8Array }>(rows: Iterable<Row>): Row[] {
  const taken: Row[] = []
  let bytes = 0
  for (const row of rows) {
    taken.push(row)
    bytes += row.data.length
    if (bytes >= ROUND_BYTES) break
  }
  return taken
}
