import { setImmediate } from 'node:timers/promises'
import type { Logger } from 'pino'
import * as Y from 'yjs'
import type { StoredDocument } from '../../persistence/update-log.ts'
import { bytesOf, type StoredAnswer, storedAnswer } from '../documents/stored-answer.ts'
import { joinUpdates } from './join-updates.ts'
import type { LoadingThreads } from './loading-threads.ts'
import { packParts, unpackParts } from './protocol.ts'

/** From here on a document is prepared in a thread: below that, telling the thread costs as much. */
const LARGE_BYTES = 1024 * 1024
/** How long the event loop is held up by what is applied in one go. */
const TURN_MS = 4

/** A stored document on its way into memory. */
export interface Prepared {
  /** What can be sent of it already. */
  readonly answer: StoredAnswer | undefined
  /** What it is built from, in this order. */
  readonly updates: Promise<readonly Uint8Array[]>
}

/** Brings stored documents into memory, so that nobody else notices a large one. */
export class Loading {
  readonly #threads: LoadingThreads
  readonly #logger: Logger

  constructor(threads: LoadingThreads, logger: Logger) {
    this.#threads = threads
    this.#logger = logger
  }

  /** `at` is when the log was asked, on the clock of `performance`. */
  prepare(name: string, stored: StoredDocument, at: number): Prepared {
    const { parts, vector } = stored
    if (bytesOf(stored) < LARGE_BYTES) {
      const tail = vector && joinUpdates(parts.slice(1), vector)
      return { answer: storedAnswer(name, stored, at, Promise.resolve(tail)), updates: Promise.resolve(parts) }
    }
    const tail = Promise.withResolvers<Uint8Array | undefined>()
    const updates = this.#slice(stored, tail.resolve).catch((error: unknown) => {
      // It is as good as it is stored, and holds up the others.
      this.#logger.warn({ document: name, error }, 'a large document could not be prepared in a thread')
      tail.resolve(undefined)
      return parts
    })
    return { answer: storedAnswer(name, stored, at, tail.promise), updates }
  }

  /** Applies updates to a document, and lets others do something in between. */
  async fill(document: Y.Doc, updates: readonly Uint8Array[]): Promise<void> {
    let next = 0
    const applySome = () => {
      const until = performance.now() + TURN_MS
      for (; next < updates.length && performance.now() < until; next += 1) {
        const update = updates[next]
        if (update !== undefined) Y.applyUpdate(document, update)
      }
    }
    while (next < updates.length) {
      // In a transaction of its own each of many rows would cost a multiple.
      document.transact(applySome)
      if (next < updates.length) await setImmediate()
    }
  }

  #slice(
    { parts, vector, snapshot }: StoredDocument,
    onTail: (tail: Uint8Array | undefined) => void,
  ): Promise<readonly Uint8Array[]> {
    return this.#threads.use('', async (thread) => {
      const slice = async (update: Uint8Array) => {
        const copy = update.slice()
        const packed = await thread.call({ task: { kind: 'slice', update: copy } }, [copy])
        return packed === undefined ? [update] : unpackParts(packed)
      }
      const [first, ...rows] = parts
      if (first === undefined || snapshot === 0 || vector === undefined) {
        onTail(undefined)
        return (await Promise.all(parts.map((part) => (part.length < LARGE_BYTES ? [part] : slice(part))))).flat()
      }
      const updates = packParts(rows)
      const tail = await thread.call({ task: { kind: 'join', updates, vector } }, [updates])
      onTail(tail)
      return [...(await slice(first)), ...(tail === undefined ? rows : await slice(tail))]
    })
  }
}
