import 'fake-indexeddb/auto'
import { setMaxListeners } from 'node:events'
import { IDBFactory } from 'fake-indexeddb'
import { vi } from 'vitest'

/**
 * What the client library uses of a browser, in this process: a window that knows the network, and storage. What one
 * keeps is named by the server's address, so that each cable makes a device of its own.
 */
export class FakeBrowser {
  readonly #window = new EventTarget()

  /** Until vi.unstubAllGlobals(). */
  static install(): FakeBrowser {
    const browser = new FakeBrowser()
    // Every open document has one.
    setMaxListeners(0, browser.#window)
    const { localStorage } = browser
    vi.stubGlobal('indexedDB', new IDBFactory())
    vi.stubGlobal('window', Object.assign(browser.#window, { localStorage }))
    return browser
  }

  /** Tabs hear of each other's changes a moment later; in one process, of their own as well. */
  readonly localStorage: Storage = this.#newStorage()

  /** The browser says that the network is there. */
  online(): void {
    this.#window.dispatchEvent(new Event('online'))
  }

  #newStorage(): Storage {
    const entries = new Map<string, string>()
    const changed = (key: string) => {
      const event = Object.assign(new Event('storage'), { key, storageArea: storage })
      queueMicrotask(() => this.#window.dispatchEvent(event))
    }
    const storage: Storage = {
      get length() {
        return entries.size
      },
      key: (index) => [...entries.keys()][index] ?? null,
      getItem: (key) => entries.get(key) ?? null,
      setItem(key, value) {
        entries.set(key, value)
        changed(key)
      },
      removeItem(key) {
        entries.delete(key)
        changed(key)
      },
      clear: () => entries.clear(),
    }
    return storage
  }
}
