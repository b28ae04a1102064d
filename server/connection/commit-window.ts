import type { Durability } from '../documents/durability.ts'

/**
 * What one client may have on its way to the disk, besides one message: a batch of so much takes a millisecond or two. A
 * client that waits for it is looked at every 5 ms (ingress.ts), so that a flood has some 11,000 updates a second: with
 * thrice as many everybody else's slowest edits take three to four times as long.
 */
const MAX_UPDATES = 64
const MAX_BYTES = 1024 * 1024

/**
 * How much of one client waits for its commit. Everybody's edits are committed in the batches in which they came, so
 * that a flood makes each of them long: a client with much on its way waits for it, and others don't.
 */
export class CommitWindow {
  readonly #durability: Pick<Durability, 'appended' | 'committed'>
  /** What is on its way, in order. */
  readonly #messages: Message[] = []
  #updates = 0
  #bytes = 0

  constructor(durability: Pick<Durability, 'appended' | 'committed'>) {
    this.#durability = durability
  }

  get isFull(): boolean {
    this.#forgetCommitted()
    return this.#updates > MAX_UPDATES || this.#bytes >= MAX_BYTES
  }

  /** One message of `bytes` has appended so many updates. */
  count(updates: number, bytes: number): void {
    this.#forgetCommitted()
    this.#messages.push({ end: this.#durability.appended, updates, bytes })
    this.#updates += updates
    this.#bytes += bytes
  }

  #forgetCommitted(): void {
    const { committed } = this.#durability
    for (let first = this.#messages[0]; first !== undefined && first.end <= committed; first = this.#messages[0]) {
      this.#messages.shift()
      this.#updates -= first.updates
      this.#bytes -= first.bytes
    }
  }
}

interface Message {
  /** The value of `committed` from which on it is there. */
  readonly end: number
  readonly updates: number
  readonly bytes: number
}
