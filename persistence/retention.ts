import { CoweaveError } from '../model/errors.ts'
import type { TailWeight } from './compaction.ts'

/** Where the history of a document begins: up to `position` its rows are forgotten. */
export interface HistoryStart {
  /** 0 where nothing is forgotten. */
  readonly position: number
  /** When the last row that is forgotten was taken, ms since 1970; 0 where none is. */
  readonly at: number
}

/** What a document was where its history begins: all that is left of the forgotten rows. */
export interface HistoryBase extends HistoryStart {
  /** A v1 Yjs update, which has nothing of what was deleted before. */
  readonly state: Uint8Array
  /** Plain bytes of the rows that are forgotten. */
  readonly logBytes: number
}

/** A page of documents that were looked at. */
export interface RetentionPage {
  readonly documents: readonly string[]
  /** What to give as `after` to go on; undefined when all were looked at. */
  readonly next: string | undefined
}

/** The end of old history. Part of the update log (update-log.ts). */
export interface Retention {
  /**
   * Forgets the rows of a document up to the position `until`, and what was deleted by then: only the document as it was
   * there is kept, as a snapshot. Positions, claims of client ids and the archive of messages stay. Everything from there
   * on can be rebuilt as before.
   *
   * A named version stays restorable: nothing above the lowest one is forgotten. Resolves with the position up to which
   * rows are forgotten now, which is `until`, or the document's last one or that of the lowest version if they are
   * below it, or one above it that was forgotten before; 0 for an unknown document. Then nothing of these rows is left in
   * the database as this log sees it, and in the files of SQLite neither, unless somebody reads them all the time.
   *
   * Texts of it (TextIndex) that are older are made anew; words that were deleted leave the files of SQLite once a day.
   *
   * In many small transactions that delay no edit, one document at a time; after an interruption the same call, of any
   * process, goes on. Several may do it at once: none forgets what the others need.
   * @throws {StorageError} as append() and load()
   */
  forget(document: string, until: number): Promise<number>

  /** @throws {StorageError} as load() */
  historyStart(document: string): Promise<HistoryStart>

  /** Undefined where nothing is forgotten. @throws {StorageError} as load() */
  historyBase(document: string): Promise<HistoryBase | undefined>

  /**
   * Looks at the next `limit` documents behind `after`, by name, and tells which of them are not deleted and have a first
   * row that was taken before `before`, or have rows that an interrupted forget() has left.
   * @throws {StorageError} as load()
   */
  forgettable(options: {
    readonly before: number
    readonly after?: string
    readonly limit: number
  }): Promise<RetentionPage>

  /**
   * Packs rows of a document up to the position `until` that its newest snapshot covers: many that stand side by side
   * become one, compressed. They are read as before, and loading a document reads none of them. Rows that are long, or
   * too few, stay as they are. Where a snapshot is missing for it, and costs not much more than the rows, it is made.
   * Resolves with how many rows were packed.
   *
   * In small transactions that delay no edit; after an interruption all rows are there, each packed or not.
   * @throws {StorageError} as append() and load()
   */
  pack(document: string, until: number): Promise<number>

  /**
   * Looks at the next `limit` documents behind `after`, by name, and tells which of them are not deleted and have a hundred
   * rows or more that are not packed and were taken before `before`.
   * @throws {StorageError} as load()
   */
  unpacked(options: {
    readonly before: number
    readonly after?: string
    readonly limit: number
  }): Promise<RetentionPage>
}

/** How far packing a document has come. */
export interface Packing {
  /** The last position that was looked at. */
  readonly after: number
  readonly packed: number
  readonly isDone: boolean
  /** Whether there is more to pack once there is a newer snapshot. */
  readonly wantsSnapshot: boolean
}

/** Packs a document step by step, and has a snapshot made once where one is missing. Resolves with how many rows. */
export async function packAll(
  pack: (after: number) => Promise<Packing>,
  makeSnapshot: () => Promise<unknown>,
): Promise<number> {
  let [packed, hasSnapshot] = [0, false]
  for (let after = 0; ; ) {
    const step = await pack(after)
    after = step.after
    packed += step.packed
    if (!step.isDone) continue
    if (!step.wantsSnapshot || hasSnapshot) return packed
    hasSnapshot = true
    await makeSnapshot()
  }
}

/** An unpacked row at this place, from 0, means that there are enough of them to look at. */
export const ENOUGH_ROWS = 99

/** Against its tail: made for each quarter of its size, all snapshots together stay below five times the log. */
const SNAPSHOT_SHARE = 4

export function isSnapshotWorthIt({ tailBytes, snapshotBytes }: TailWeight): boolean {
  return tailBytes * SNAPSHOT_SHARE >= snapshotBytes
}

/** The code of the error for positions below the beginning of a document's history. */
export const HISTORY_FORGOTTEN = 'history/forgotten'

export function historyForgotten(document: string, { position }: Pick<HistoryStart, 'position'>): CoweaveError {
  const message = `the history of ${document} begins at position ${position}: what was before is forgotten`
  return new CoweaveError(HISTORY_FORGOTTEN, message)
}
