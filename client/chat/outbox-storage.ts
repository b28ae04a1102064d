/** Where unsent messages are kept: text by key, as in localStorage. */
export interface OutboxStorage {
  /** The values of all keys that begin with `prefix`. */
  values(prefix: string): readonly string[]
  /** False when it could not be kept: the storage is full, or forbidden. */
  set(key: string, value: string): boolean
  remove(key: string): void
  /** Calls `listener` when another tab changed something under `prefix`. Returns what ends that. */
  onForeignChange(prefix: string, listener: () => void): () => void
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
  }
}

/** Keeps nothing. */
export const noStorage: OutboxStorage = {
  values: () => [],
  set: () => false,
  remove() {},
  onForeignChange: () => () => {},
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
