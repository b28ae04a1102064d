import { getAllKeysValues } from 'lib0/indexeddb'
import { IndexeddbPersistence } from 'y-indexeddb'
import type * as Y from 'yjs'
import { randomId } from '../identity.ts'

const OPEN_TIMEOUT_MS = 4_000
const WRITE_TIMEOUT_MS = 5_000
const UNSAVED = 'unsaved:'
const UPDATES = 'updates'
const CUSTOM = 'custom'

/** How far a page is: its edits, and how many of them the server has yet to acknowledge. */
export interface Progress {
  readonly edits: number
  readonly unacknowledged: number
}

export interface LocalCopyEvents {
  /** The first `edits` edits are committed in the browser's storage. */
  onStored(edits: number): void
  onFailed(): void
}

/**
 * This browser's copy of one document, in IndexedDB, with how many of its edits the server has not acknowledged.
 * Each page counts its own, under a key of its own; a page that starts takes over what earlier ones left.
 */
export class LocalCopy {
  readonly #persistence: IndexeddbPersistence
  readonly #database: IDBDatabase
  readonly #events: LocalCopyEvents
  readonly #ownKey = UNSAVED + randomId(10)
  #earlierKeys: readonly string[] = []
  #noted: Progress = { edits: 0, unacknowledged: 0 }
  #written: Progress = this.#noted
  #writing = false
  #closed = false

  private constructor(persistence: IndexeddbPersistence, database: IDBDatabase, events: LocalCopyEvents) {
    this.#persistence = persistence
    this.#database = database
    this.#events = events
  }

  /**
   * Reads the copy into `document`. Undefined where the browser has no IndexedDB to offer (private windows, disk
   * full, forbidden): the page then works, and says that nothing is kept.
   */
  static async open(name: string, document: Y.Doc, events: LocalCopyEvents): Promise<LocalCopy | undefined> {
    if (!(await canOpenDatabases())) return undefined
    const persistence = new IndexeddbPersistence(name, document)
    const synced = await withTimeout(persistence.whenSynced.then(() => true))
    if (!synced || persistence.db === null) {
      void persistence.destroy()
      return undefined
    }
    return new LocalCopy(persistence, persistence.db, events)
  }

  /** How many restored edits the server had not acknowledged when they were written. They are this page's first. */
  async restored(): Promise<number> {
    const store = this.#database.transaction(CUSTOM).objectStore(CUSTOM)
    const entries: { k: unknown; v: unknown }[] = await getAllKeysValues(store)
    let count = 0
    const keys: string[] = []
    for (const { k: key, v: value } of entries) {
      if (typeof key !== 'string' || !key.startsWith(UNSAVED) || typeof value !== 'number') continue
      keys.push(key)
      count += value
    }
    this.#earlierKeys = keys
    this.#noted = { edits: count, unacknowledged: count }
    this.#written = this.#noted
    return count
  }

  /** Notes how far the page is, after each edit and acknowledgement; answers through `onStored`. */
  note(progress: Progress): void {
    this.#noted = progress
    if (!this.#writing) void this.#write()
  }

  close(): void {
    this.#closed = true
    void this.#persistence.destroy()
  }

  /** Deletes the copy with all its edits. */
  async discard(): Promise<void> {
    this.#closed = true
    await this.#persistence.destroy()
    // Emptied, not deleted: deleting waits until no other window has the database open.
    await emptyDatabase(this.#database.name)
  }

  /** One write at a time; what changes meanwhile makes one more. */
  async #write(): Promise<void> {
    this.#writing = true
    // y-indexeddb hears of an edit after the page has: its transaction must be there before ours.
    await Promise.resolve()
    while (!this.#closed && !same(this.#noted, this.#written)) {
      const progress = this.#noted
      const slow = setTimeout(() => this.#events.onFailed(), WRITE_TIMEOUT_MS)
      try {
        await this.#commit(progress.unacknowledged)
        if (!this.#closed) this.#events.onStored(progress.edits)
      } catch {
        // Full, or forbidden since. The page says so; the next edit tries again.
        if (!this.#closed) this.#events.onFailed()
      }
      clearTimeout(slow)
      this.#written = progress
    }
    this.#writing = false
  }

  /**
   * Resolves once all edits so far are committed: a transaction on `updates` waits for those before it. The own
   * count includes the earlier pages' and takes their place; at 0 there is nothing left to count.
   */
  #commit(unacknowledged: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction([UPDATES, CUSTOM], 'readwrite')
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error)
      const store = transaction.objectStore(CUSTOM)
      for (const key of this.#earlierKeys) store.delete(key)
      this.#earlierKeys = []
      if (unacknowledged === 0) store.delete(this.#ownKey)
      else store.put(unacknowledged, this.#ownKey)
    })
  }
}

function emptyDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name)
    request.onerror = () => reject(request.error)
    request.onsuccess = () => {
      const transaction = request.result.transaction([UPDATES, CUSTOM], 'readwrite')
      for (const store of [UPDATES, CUSTOM]) transaction.objectStore(store).clear()
      transaction.oncomplete = () => {
        request.result.close()
        resolve()
      }
      transaction.onabort = () => reject(transaction.error)
    }
  })
}

function same(a: Progress, b: Progress): boolean {
  return a.edits === b.edits && a.unacknowledged === b.unacknowledged
}

/** y-indexeddb waits for ever where opening a database fails, so it is tried first. */
function canOpenDatabases(): Promise<boolean> {
  return withTimeout(
    new Promise<boolean>((resolve) => {
      try {
        const request = indexedDB.open('coweave/probe')
        request.onerror = () => resolve(false)
        request.onsuccess = () => {
          request.result.close()
          resolve(true)
        }
      } catch {
        resolve(false)
      }
    }),
  )
}

/** False where `promise` takes too long or fails. */
function withTimeout(promise: Promise<boolean>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), OPEN_TIMEOUT_MS)
    promise.then(resolve, () => resolve(false)).finally(() => clearTimeout(timer))
  })
}
