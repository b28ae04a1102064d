import type { Made, WriterId } from '../conversions/protocol.ts'

/** How many are remembered: of who writes seldom, another one does no harm. */
const MAX_IDS = 1_000

/**
 * Yjs client ids for those who write over HTTP. Each id that ever wrote in a document stays in it for ever, so that a user
 * who writes a document a thousand times should have one and not a thousand. An id may only be used by who has all that
 * was written with it.
 */
export class WriterIds {
  readonly #ids = new Map<string, WriterId>()

  /**
   * Has `make` make an update of `document` for `user`, with the id that it is given where the document is as it was left,
   * and hands the update to `take`. Returns whether there was one. Until it is taken, nobody else gets the id; when that
   * fails, nobody any more. Where nothing could be made, nothing was written with it.
   */
  async write(
    document: string,
    user: string,
    make: (known: WriterId | undefined) => Promise<Made>,
    take: (update: Uint8Array) => Promise<void>,
  ): Promise<boolean> {
    const key = JSON.stringify([document, user])
    const known = this.#ids.get(key)
    this.#ids.delete(key)
    const { update, writer } = await make(known).catch((error: unknown) => {
      if (known !== undefined && !this.#ids.has(key)) this.#remember(key, known)
      throw error
    })
    if (update !== undefined) await take(update)
    this.#remember(key, writer)
    return update !== undefined
  }

  #remember(key: string, writer: WriterId): void {
    if (writer.clock > 0) this.#ids.set(key, writer)
    const [oldest] = this.#ids.keys()
    if (this.#ids.size > MAX_IDS && oldest !== undefined) this.#ids.delete(oldest)
  }
}
