import { commit, deleteDatabase, hasDatabases, openDatabase } from './databases.ts'

const NAMES = 'names'

/**
 * Which documents of one user have a copy on this device. Where the browser can't list databases, the own index can;
 * it is written before a copy is, so that none is forgotten.
 */
export class LocalCopies {
  readonly #prefix: string
  readonly #index: string

  /** `server` and `user` are parts of names; any text will do. */
  constructor(server: string, user: string) {
    this.#prefix = `coweave/${server}/${encodeURIComponent(user)}/`
    // No document's name is empty.
    this.#index = this.#prefix
  }

  /** The database of `document`. */
  nameOf(document: string): string {
    return this.#prefix + document
  }

  /** Notes that `document` will have a copy. Rejects where this device keeps nothing. */
  async add(document: string): Promise<void> {
    const database = await openDatabase(this.#index, NAMES)
    try {
      await commit(database, [NAMES], (transaction) => {
        transaction.objectStore(NAMES).put(Date.now(), this.nameOf(document))
      })
    } finally {
      database.close()
    }
  }

  /** Deletes all copies, with the edits that only they have. */
  async erase(): Promise<void> {
    if (!hasDatabases()) return
    const names = new Set([...(await this.#listed()), ...(await this.#indexed())])
    await Promise.all([...names].map(deleteDatabase))
    await deleteDatabase(this.#index)
  }

  async #listed(): Promise<string[]> {
    if (typeof indexedDB.databases !== 'function') return []
    const databases = await indexedDB.databases()
    return databases
      .map(({ name }) => name)
      .filter((name) => name !== undefined)
      .filter((name) => name.startsWith(this.#prefix) && name !== this.#index)
  }

  async #indexed(): Promise<string[]> {
    const database = await openDatabase(this.#index, NAMES)
    const names = await new Promise<IDBValidKey[]>((resolve, reject) => {
      const request = database.transaction(NAMES).objectStore(NAMES).getAllKeys()
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    }).finally(() => database.close())
    return names.filter((name) => typeof name === 'string')
  }
}
