/** How many connections there are of each address, or of each user. */
export class ConnectionCounts {
  readonly #counts = new Map<string, number>()
  readonly #max: number

  /** 0 for no limit. */
  constructor(max: number) {
    this.#max = max
  }

  /** How many keys have any. */
  get size(): number {
    return this.#counts.size
  }

  get max(): number {
    return this.#max
  }

  /** Counts one more of `key`, unless there are too many. Returns whether it did; leave() takes it back. */
  join(key: string): boolean {
    const count = this.#counts.get(key) ?? 0
    if (this.#max > 0 && count >= this.#max) return false
    this.#counts.set(key, count + 1)
    return true
  }

  leave(key: string): void {
    const count = this.#counts.get(key) ?? 0
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
  }
}
