/** What of IndexedDB is needed here, as promises. */

export const UPDATES = 'updates'
export const CUSTOM = 'custom'
const OPEN_TIMEOUT_MS = 4_000

export function hasDatabases(): boolean {
  try {
    return typeof indexedDB !== 'undefined' && indexedDB !== null
  } catch {
    // Some browsers throw where storage is forbidden.
    return false
  }
}

/** Opens a database of this one object store, without keys of its own. Rejects where the browser has none to offer. */
export function openDatabase(name: string, store: string): Promise<IDBDatabase> {
  return inTime(
    new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1)
      request.onupgradeneeded = () => request.result.createObjectStore(store)
      request.onerror = () => reject(request.error)
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close()
        resolve(request.result)
      }
    }),
  )
}

/** Resolves once what `use` asks of the stores is committed. */
export function commit(
  database: IDBDatabase,
  stores: readonly string[],
  use: (transaction: IDBTransaction) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(stores, 'readwrite')
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error ?? new Error('the storage gave up'))
    use(transaction)
  })
}

/** Removes all from these stores. Unlike deleting, it doesn't wait for other tabs. */
export async function emptyDatabase(name: string, stores: readonly string[]): Promise<void> {
  const database = await inTime(
    new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name)
      request.onerror = () => reject(request.error)
      request.onsuccess = () => resolve(request.result)
    }),
  )
  try {
    await commit(database, stores, (transaction) => {
      for (const store of stores) transaction.objectStore(store).clear()
    })
  } finally {
    database.close()
  }
}

/** Deletes a database. One that another tab keeps open goes as soon as that tab lets it go. */
export function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = () => resolve()
    request.onblocked = () => resolve()
    request.onerror = () => reject(request.error)
  })
}

/** Rejects where `promise` takes too long: some browsers never answer where storage is broken. */
export function inTime<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the storage does not answer')), OPEN_TIMEOUT_MS)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
