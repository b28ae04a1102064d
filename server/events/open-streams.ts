import type { Kick } from '../../persistence/admin-store.ts'
import { goesWith } from '../../persistence/beside.ts'

interface OpenStream {
  readonly user: string
  readonly document: string
  /** ms since 1970 */
  readonly openedAt: number
  readonly end: AbortController
}

/** The streams of events that this instance has open, so that an admin can send their readers away. */
export class OpenStreams {
  readonly #open = new Set<OpenStream>()

  /** Runs a stream of `user`, of a document or, with '', of none; it ends once the signal is aborted. */
  async run(user: string, document: string, work: (kicked: AbortSignal) => Promise<void>): Promise<void> {
    const stream = { user, document, openedAt: Date.now(), end: new AbortController() }
    this.#open.add(stream)
    try {
      await work(stream.end.signal)
    } finally {
      this.#open.delete(stream)
    }
  }

  /** As SocketConnection.kicked(): who has a stream since before then is told nothing more in it. */
  kicked({ user, document, at }: Kick): void {
    for (const stream of this.#open) {
      if (stream.user !== user || stream.openedAt > at) continue
      if (document === '' || goesWith(document, stream.document)) stream.end.abort()
    }
  }
}
