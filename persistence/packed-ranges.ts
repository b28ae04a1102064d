interface Range {
  readonly first: number
  readonly last: number
}

/** Which positions of a document are packed, as its packs say before they are verified. Asked in ascending order. */
export class PackedRanges {
  readonly #ranges: readonly Range[]
  #index = 0

  /** Rows of first and last, in the order of last. */
  constructor(rows: Iterable<readonly unknown[]>) {
    this.#ranges = Array.from(rows, ([first, last]) => ({ first: Number(first), last: Number(last) }))
  }

  /** The last position of the pack that holds this one; itself where it is in none. */
  endOf(position: number): number {
    const range = this.#at(position)
    return range === undefined ? position : range.last
  }

  has(position: number): boolean {
    return this.#at(position) !== undefined
  }

  #at(position: number): Range | undefined {
    // Back to the beginning for who asks once more.
    if (this.#index > 0 && position <= (this.#ranges[this.#index - 1]?.last ?? 0)) this.#index = 0
    while ((this.#ranges[this.#index]?.last ?? Number.POSITIVE_INFINITY) < position) this.#index += 1
    const range = this.#ranges[this.#index]
    return range !== undefined && range.first <= position ? range : undefined
  }
}
