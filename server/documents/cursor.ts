/**
 * Up to which position an open document has what the log has. What this instance commits itself may come before what
 * others committed below it, so that positions ahead of a gap are kept apart.
 */
export class Cursor {
  /** The document has all that was committed at this time, on the clock of `performance`. */
  asOf: number
  #position: number
  readonly #ahead = new Set<number>()

  constructor(position: number, asOf: number) {
    this.#position = position
    this.asOf = asOf
  }

  /** The document has all rows up to here, and perhaps some behind a gap. */
  get position(): number {
    return this.#position
  }

  /** Whether the document has a row behind one that it lacks. */
  get hasGap(): boolean {
    return this.#ahead.size > 0
  }

  has(position: number): boolean {
    return position <= this.#position || this.#ahead.has(position)
  }

  /** The document has the row at `position` now. */
  pass(position: number): void {
    if (this.has(position)) return
    if (position > this.#position + 1) {
      this.#ahead.add(position)
      return
    }
    this.#position = position
    while (this.#ahead.delete(this.#position + 1)) this.#position += 1
  }
}
