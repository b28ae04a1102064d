/** A message smaller than this is never what a server finds too big. */
const MIN_LIMIT = 64 * 1024

/** How big a message may be; learns from a server that takes less than was said. */
export class MessageSizes {
  #limit: number
  #largest = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  /** A message of `bytes` leaves over the present connection. */
  sent(bytes: number): void {
    this.#largest = Math.max(this.#largest, bytes)
  }

  /** The server has closed the connection since a message was too big. */
  tooBig(): void {
    this.#limit = Math.max(MIN_LIMIT, Math.min(this.#limit, Math.floor(this.#largest / 2)))
    this.#largest = 0
  }
}
