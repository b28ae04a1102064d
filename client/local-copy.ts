import { getAllKeysValues } from 'lib0/indexeddb'
import { uuidv4 } from 'lib0/random'
import { IndexeddbPersistence, PREFERRED_TRIM_SIZE, storeState } from 'y-indexeddb'
import type * as Y from 'yjs'
import { CUSTOM, commit, emptyDatabase, hasDatabases, inTime, UPDATES } from './databases.ts'
import type { LocalCopies } from './local-copies.ts'

const WRITE_TIMEOUT_MS = 5_000
const RETRY_MS = 10_000
/** Tidying waits so long, for it reads and writes the whole document. */
const TIDY_MS = 1_000
const UNSAVED = 'unsaved:'
/** Set once the copy holds what the server had at one time, rather than a part. */
const COMPLETE = 'complete'

/** How far a page is: its edits, and how many of them the server has yet to acknowledge. */
export interface Progress {
  readonly edits: number
  readonly unacknowledged: number
  /** The document has been synced with the server. */
  readonly isComplete: boolean
}

export interface LocalCopyEvents {
  /** The first `edits` edits are committed in this device's storage. */
  onStored(edits: number): void
  onFailed(): void
}

/** Whether an update comes out of a local copy. */
export function isFromCopy(origin: unknown): boolean {
  return origin instanceof IndexeddbPersistence
}

/**
 * This device's copy of one document, in IndexedDB, with how many of its edits the server has not acknowledged.
 * Each page counts its own, under a key of its own; a page that starts takes over what earlier ones left.
 *
 * y-indexeddb reads and tidies it. Updates are written here, together with the count: y-indexeddb hears of no failure,
 * and an update that a full disk did not take would be missing for good under those that come after it.
 */
export class LocalCopy {
  readonly #persistence: IndexeddbPersistence
  readonly #database: IDBDatabase
  readonly #events: LocalCopyEvents
  readonly #ydoc: Y.Doc
  readonly #ownKey = UNSAVED + uuidv4()
  #earlierKeys: readonly string[] = []
  /** Updates that are not committed. */
  #updates: Uint8Array[] = []
  #noted: Progress = { edits: 0, unacknowledged: 0, isComplete: false }
  #written: Progress = this.#noted
  #writing: Promise<void> | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #tidying: ReturnType<typeof setTimeout> | undefined
  #closed = false
  #restored = 0
  #wasComplete = false

  private constructor(persistence: IndexeddbPersistence, database: IDBDatabase, ydoc: Y.Doc, events: LocalCopyEvents) {
    this.#persistence = persistence
    this.#database = database
    this.#ydoc = ydoc
    this.#events = events
    ydoc.off('update', persistence._storeUpdate)
    ydoc.on('update', this.#keep)
    // It is being deleted: somebody signs out.
    database.onversionchange = () => {
      events.onFailed()
      this.close()
    }
  }

  /**
   * Reads the copy of `name` into `ydoc` and keeps it up to date from then on. Undefined where there is no IndexedDB
   * to be had (private windows, disk full, forbidden): the page then works, and says that nothing is kept.
   */
  static async open(
    copies: LocalCopies,
    name: string,
    ydoc: Y.Doc,
    events: LocalCopyEvents,
  ): Promise<LocalCopy | undefined> {
    if (!hasDatabases()) return undefined
    let persistence: IndexeddbPersistence | undefined
    try {
      // y-indexeddb waits for ever where opening a database fails, so another one is tried first.
      await copies.add(name)
      persistence = new IndexeddbPersistence(copies.nameOf(name), ydoc)
      await inTime(persistence.whenSynced)
      if (persistence.db === null) return undefined
      const copy = new LocalCopy(persistence, persistence.db, ydoc, events)
      await inTime(copy.#read())
      return copy
    } catch {
      // Why doesn't matter: the page says that nothing is kept.
      persistence?.destroy().catch(() => {})
      return undefined
    }
  }

  /** How many restored edits the server had not acknowledged when they were written. They are this page's first. */
  get restored(): number {
    return this.#restored
  }

  /** The copy held, when it was opened, what the server had at one time. */
  get wasComplete(): boolean {
    return this.#wasComplete
  }

  /** Notes how far the page is, after each edit and acknowledgement; answers through `onStored`. */
  note(progress: Progress): void {
    this.#noted = progress
    this.#schedule()
  }

  close(): void {
    if (this.#closed) return
    // What came in this moment: the database closes behind it. Where it fails, the page has said that it isn't kept.
    if (this.#hasNews) this.#commit(this.#noted).catch(() => {})
    this.#stop()
    void this.#persistence.destroy()
  }

  /** Closes the copy and empties it, with all its edits. */
  async discard(): Promise<void> {
    this.#stop()
    await this.#writing
    await this.#persistence.destroy()
    await emptyDatabase(this.#persistence.name, [UPDATES, CUSTOM])
  }

  async #read(): Promise<void> {
    const store = this.#database.transaction(CUSTOM).objectStore(CUSTOM)
    const entries: { k: unknown; v: unknown }[] = await getAllKeysValues(store)
    const keys: string[] = []
    for (const { k: key, v: value } of entries) {
      if (key === COMPLETE) this.#wasComplete = true
      if (typeof key !== 'string' || !key.startsWith(UNSAVED) || typeof value !== 'number') continue
      keys.push(key)
      this.#restored += value
    }
    this.#earlierKeys = keys
    this.#written = { edits: this.#restored, unacknowledged: this.#restored, isComplete: this.#wasComplete }
    this.#noted = this.#written
  }

  readonly #keep = (update: Uint8Array, origin: unknown): void => {
    if (origin === this.#persistence) return
    this.#updates.push(update)
    this.#schedule()
  }

  #stop(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#tidying)
    this.#ydoc.off('update', this.#keep)
  }

  get #hasNews(): boolean {
    return this.#updates.length > 0 || !same(this.#noted, this.#written)
  }

  #schedule(): void {
    clearTimeout(this.#retry)
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** One write at a time; what changes meanwhile makes one more. */
  async #write(): Promise<void> {
    // What belongs together comes in the same turn: an edit, and that it is counted.
    await Promise.resolve()
    while (!this.#closed && this.#hasNews) {
      const progress = this.#noted
      const slow = setTimeout(() => this.#events.onFailed(), WRITE_TIMEOUT_MS)
      try {
        await this.#commit(progress)
        if (!this.#closed) this.#events.onStored(progress.edits)
      } catch {
        // Full, or forbidden since. The page says so, and it is tried again with all that is missing.
        if (this.#closed) return
        this.#events.onFailed()
        this.#retry = setTimeout(() => this.#schedule(), RETRY_MS)
        return
      } finally {
        clearTimeout(slow)
      }
    }
    this.#tidy()
  }

  /** The own count includes the earlier pages' and takes their place; at 0 there is nothing left to count. */
  async #commit(progress: Progress): Promise<void> {
    const { unacknowledged, isComplete } = progress
    const rows = this.#updates.length
    // Another tab may have taken the count over: an update that came from there is no reason to write it again.
    const isCounted = !same(progress, this.#written)
    await commit(this.#database, [UPDATES, CUSTOM], (transaction) => {
      const updates = transaction.objectStore(UPDATES)
      for (const update of this.#updates) updates.add(update)
      if (!isCounted) return
      const store = transaction.objectStore(CUSTOM)
      for (const key of this.#earlierKeys) store.delete(key)
      if (unacknowledged === 0) store.delete(this.#ownKey)
      else store.put(unacknowledged, this.#ownKey)
      if (isComplete) store.put(1, COMPLETE)
    })
    this.#updates.splice(0, rows)
    this.#persistence._dbsize += rows
    if (!isCounted) return
    this.#earlierKeys = []
    this.#written = progress
  }

  /** Puts one row in the place of many. Where that fails they stay. */
  #tidy(): void {
    if (this.#closed || this.#persistence._dbsize < PREFERRED_TRIM_SIZE) return
    this.#tidying ??= setTimeout(() => {
      this.#tidying = undefined
      storeState(this.#persistence, false).catch(() => {})
    }, TIDY_MS)
  }
}

function same(a: Progress, b: Progress): boolean {
  return a.edits === b.edits && a.unacknowledged === b.unacknowledged && a.isComplete === b.isComplete
}
