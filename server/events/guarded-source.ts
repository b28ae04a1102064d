import { CoweaveError } from '../../model/errors.ts'
import type { StreamSource } from './sse.ts'

/** How soon a stream ends whose reader may not read it any more, ms. */
const LOOK_MS = 2_000

/**
 * A source that is over once `mayRead` says no, which is asked again and again, also while there is nothing to tell; or
 * can't say: who asks for the stream again is told why.
 */
export function guarded(source: StreamSource, mayRead: () => Promise<boolean>): StreamSource {
  let isLetIn = true
  let lookedAt = performance.now()

  async function look(): Promise<void> {
    if (performance.now() - lookedAt < LOOK_MS) return
    try {
      isLetIn = await mayRead()
    } catch (error) {
      if (!(error instanceof CoweaveError)) throw error
      isLetIn = false
    }
    lookedAt = performance.now()
  }

  return {
    get isOver() {
      return source.isOver || !isLetIn
    },
    async read() {
      await look()
      return isLetIn ? await source.read() : ''
    },
    async next(timeoutMs, signal) {
      const end = performance.now() + timeoutMs
      for (let leftMs = timeoutMs; leftMs > 0 && !signal.aborted; leftMs = end - performance.now()) {
        if (await source.next(Math.min(leftMs, LOOK_MS), signal)) return true
        await look()
        if (source.isOver || !isLetIn) return true
      }
      return false
    },
  }
}
