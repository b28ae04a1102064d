/** Where unsent messages are kept: text by key, as in localStorage. */
export interface OutboxStorage {
  /** The values of all keys that begin with `prefix`. */
  values(prefix: string): readonly string[]
  /** False when it could not be kept: the storage is full, or forbidden. */
  set(key: string, value: string): boolean
  remove(key: string): void
  /** Calls `listener` when another tab changed something under `prefix`. Returns what ends that. */
  onForeignChange(prefix: string, listener: () => void): () => void
  /** Calls `listener` once no other tab has waited for the same `prefix` before this one. Returns what ends its turn. */
  onTurn(prefix: string, listener: () => void): () => void
}

const PREFIX = 'coweave:outbox/'

/** What the keys of a user's unsent messages on a server begin with, in one room or in all. */
export function outboxPrefix(server: string, user: string, room?: string): string {
  // Encoded, so that no user's or room's keys begin with another one's.
  const parts = room === undefined ? [server, user] : [server, user, room]
  return `${PREFIX}${parts.map(encodeURIComponent).join('/')}/`
}

/** Deletes all messages for `server` that `user` wrote on this device and that were not sent. */
export function eraseOutboxes(server: string, user: string, storage = deviceStorage()): void {
  if (storage === undefined) return
  for (const key of keysOf(storage, outboxPrefix(server, user))) storage.removeItem(key)
}

/** This device's storage; what keeps nothing where there is none, as in Node, or where the browser forbids it. */
export function outboxStorage(storage = deviceStorage()): OutboxStorage {
  if (storage === undefined) return noStorage
  return {
    values: (prefix) => keysOf(storage, prefix).map((key) => storage.getItem(key) ?? ''),
    set(key, value) {
      try {
        storage.setItem(key, value)
        return true
      } catch {
        return false // full: the room says that it isn't kept
      }
    },
    remove: (key) => storage.removeItem(key),
    onForeignChange(prefix, listener) {
      const heard = ({ key, storageArea }: StorageEvent) => {
        if (storageArea === storage && (key === null || key.startsWith(prefix))) listener()
      }
      window.addEventListener('storage', heard)
      return () => window.removeEventListener('storage', heard)
    },
    onTurn: takeTurn,
  }
}

function takeTurn(prefix: string, listener: () => void): () => void {
  const locks = window.navigator?.locks
  if (locks === undefined) {
    // Not a secure page: two tabs may send the same message, which the server takes once.
    listener()
    return () => {}
  }
  const given = new AbortController()
  const ended = new Promise<void>((resolve) => given.signal.addEventListener('abort', () => resolve()))
  const turn = async () => {
    if (given.signal.aborted) return
    listener()
    await ended
  }
  locks.request(prefix, { signal: given.signal }, turn).catch((error: unknown) => {
    // Ended before it came.
    if (!given.signal.aborted) throw error
  })
  return () => given.abort()
}

/** Keeps nothing. */
export const noStorage: OutboxStorage = {
  values: () => [],
  set: () => false,
  remove() {},
  onForeignChange: () => () => {},
  onTurn: () => () => {},
}

function deviceStorage(): Storage | undefined {
  try {
    return typeof window === 'undefined' ? undefined : window.localStorage
  } catch {
    return undefined // forbidden
  }
}

function keysOf(storage: Storage, prefix: string): string[] {
  const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '')
  return keys.filter((key) => key.startsWith(prefix))
}
