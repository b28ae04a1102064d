/** A connection that nobody has vouched for yet. */
export interface Stranger {
  /** Ends, so that another one may have its place. */
  giveWay(): void
}

/**
 * The connections that have not authenticated. When there are too many, the one that has waited longest gives way:
 * whoever has a token shows it in a moment, so that a crowd that never does keeps nobody out.
 */
export class Strangers {
  readonly #waiting = new Set<Stranger>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  add(stranger: Stranger): void {
    this.#waiting.add(stranger)
    if (this.#waiting.size <= this.#max) return
    const [oldest] = this.#waiting
    if (oldest === undefined) return
    this.#waiting.delete(oldest)
    oldest.giveWay()
  }

  delete(stranger: Stranger): void {
    this.#waiting.delete(stranger)
  }
}
