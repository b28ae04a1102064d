import { getAllKeysValues } from 'lib0/indexeddb'
import { uuidv4 } from 'lib0/random'
import { IndexeddbPersistence } from 'y-indexeddb'
import type * as Y from 'yjs'
import { CUSTOM, commit, emptyDatabase, hasDatabases, inTime, UPDATES } from './databases.ts'
import type { LocalCopies } from './local-copies.ts'

const WRITE_TIMEOUT_MS = 5_000
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
 */
export class LocalCopy {
  readonly #persistence: IndexeddbPersistence
  readonly #database: IDBDatabase
  readonly #events: LocalCopyEvents
  readonly #ownKey = UNSAVED + uuidv4()
  #earlierKeys: readonly string[] = []
  #noted: Progress = { edits: 0, unacknowledged: 0, isComplete: false }
  #written: Progress = this.#noted
  #writing: Promise<void> | undefined
  #closed = false
  #restored = 0
  #wasComplete = false

  private constructor(persistence: IndexeddbPersistence, database: IDBDatabase, events: LocalCopyEvents) {
    this.#persistence = persistence
    this.#database = database
    this.#events = events
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
      const copy = new LocalCopy(persistence, persistence.db, events)
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
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  close(): void {
    this.#closed = true
    void this.#persistence.destroy()
  }

  /** Closes the copy and empties it, with all its edits. */
  async discard(): Promise<void> {
    this.#closed = true
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

  /** One write at a time; what changes meanwhile makes one more. */
  async #write(): Promise<void> {
    // y-indexeddb hears of an edit after the page has: its transaction must be there before ours.
    await Promise.resolve()
    while (!this.#closed && !same(this.#noted, this.#written)) {
      const progress = this.#noted
      const slow = setTimeout(() => this.#events.onFailed(), WRITE_TIMEOUT_MS)
      try {
        await this.#commit(progress)
        if (!this.#closed) this.#events.onStored(progress.edits)
      } catch {
        // Full, or forbidden since. The page says so; the next edit tries again.
        if (!this.#closed) this.#events.onFailed()
      }
      clearTimeout(slow)
      this.#written = progress
    }
  }

  /**
   * Resolves once all edits so far are committed: a transaction on `updates` waits for those before it. The own
   * count includes the earlier pages' and takes their place; at 0 there is nothing left to count.
   */
  async #commit({ unacknowledged, isComplete }: Progress): Promise<void> {
    await commit(this.#database, [UPDATES, CUSTOM], (transaction) => {
      const store = transaction.objectStore(CUSTOM)
      for (const key of this.#earlierKeys) store.delete(key)
      if (unacknowledged === 0) store.delete(this.#ownKey)
      else store.put(unacknowledged, this.#ownKey)
      if (isComplete) store.put(1, COMPLETE)
    })
    this.#earlierKeys = []
  }
}

function same(a: Progress, b: Progress): boolean {
  return a.edits === b.edits && a.unacknowledged === b.unacknowledged && a.isComplete === b.isComplete
}
