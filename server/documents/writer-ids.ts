import * as Y from 'yjs'

/** How many are remembered: of who writes seldom, another one does no harm. */
const MAX_IDS = 1_000

/**
 * Yjs client ids for those who write over HTTP. Each id that ever wrote in a document stays in it for ever, so that a user
 * who writes a document a thousand times should have one and not a thousand. An id may only be used by who has all that
 * was written with it.
 */
export class WriterIds {
  readonly #ids = new Map<string, { readonly client: number; readonly clock: number }>()

  /**
   * Has `change` change `ydoc`, a copy, for `user`, and hands the update to `take`. Returns whether anything changed. While
   * it is being taken, nobody else gets the id; when that fails, nobody any more.
   */
  async write(
    document: string,
    user: string,
    ydoc: Y.Doc,
    change: () => void,
    take: (update: Uint8Array) => Promise<void>,
  ): Promise<boolean> {
    const key = JSON.stringify([document, user])
    const known = this.#ids.get(key)
    this.#ids.delete(key)
    if (known !== undefined && Y.getState(ydoc.store, known.client) === known.clock) ydoc.clientID = known.client
    const updates: Uint8Array[] = []
    ydoc.on('update', (update: Uint8Array) => updates.push(update))
    change()
    const client = ydoc.clientID
    if (updates.length > 0) await take(Y.mergeUpdates(updates))
    this.#remember(key, client, Y.getState(ydoc.store, client))
    return updates.length > 0
  }

  #remember(key: string, client: number, clock: number): void {
    if (clock > 0) this.#ids.set(key, { client, clock })
    const [oldest] = this.#ids.keys()
    if (this.#ids.size > MAX_IDS && oldest !== undefined) this.#ids.delete(oldest)
  }
}
