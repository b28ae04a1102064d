import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AccessError } from '../access/access-error.ts'
import type { ClientRange } from './check-update.ts'

/** Measuring takes at most this share of the time, however often somebody runs into the limit… */
const MEASURING_SHARE = 1 / 10
/** …unless this share of the limit has come since: nobody is refused for what was long since overwritten. */
const GROWTH_SHARE = 1 / 64

/**
 * Keeps a document below its size: that of its encoded state. All bytes that came are an upper bound of it, which
 * costs nothing; only where that is over the limit is the document measured.
 */
export class DocumentSize {
  readonly #document: Y.Doc
  readonly #maxBytes: number
  #upperBound: number
  #isExact = false
  #grownBytes = 0
  #measuredAt = Number.NEGATIVE_INFINITY
  #measuringMs = 0

  constructor(document: Y.Doc, storedBytes: number, maxBytes: number) {
    this.#document = document
    this.#maxBytes = maxBytes
    this.#upperBound = storedBytes
  }

  /** At most so many, as far as is known without measuring. */
  get bytes(): number {
    return this.#upperBound
  }

  /** Notes that the document has taken an update. */
  grow(bytes: number): void {
    this.#upperBound += bytes
    this.#grownBytes += bytes
    this.#isExact = false
  }

  /** Returns if there is room for an update. Deletions always have it. @throws {AccessError} `document/too-big` */
  admit(update: Uint8Array, ranges: ReadonlyMap<number, ClientRange>): void {
    if (this.#upperBound + update.length <= this.#maxBytes) return
    if (!this.#hasNews(ranges)) return
    // A client that brings all it has brings most of it once more.
    const news = Y.diffUpdate(update, Y.encodeStateVector(this.#document)).length
    if (this.#upperBound + news <= this.#maxBytes) return
    this.#measure()
    if (this.#upperBound + news <= this.#maxBytes) return
    const problem = `a document has at most ${this.#maxBytes} bytes`
    throw new AccessError('document/too-big', CloseCode.TooBig, problem)
  }

  #hasNews(ranges: ReadonlyMap<number, ClientRange>): boolean {
    for (const [client, { end }] of ranges) if (end > Y.getState(this.#document.store, client)) return true
    return false
  }

  #measure(): void {
    const startedAt = performance.now()
    const isSoon = (startedAt - this.#measuredAt) * MEASURING_SHARE < this.#measuringMs
    if (this.#isExact || (isSoon && this.#grownBytes < this.#maxBytes * GROWTH_SHARE)) return
    this.#upperBound = Y.encodeStateAsUpdate(this.#document).length
    this.#grownBytes = 0
    this.#isExact = true
    this.#measuredAt = performance.now()
    this.#measuringMs = this.#measuredAt - startedAt
  }
}
