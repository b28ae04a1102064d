import { NO_CHANGE } from '../documents/apply-update.ts'
import type { StoredAnswer } from '../documents/stored-answer.ts'
import type { Egress } from './egress.ts'
import { type Address, SyncType, syncFrame } from './frames.ts'

/** What one client that has nothing is given of a document that is still being loaded. */
export class EarlyAnswer {
  /** What it holds is committed up to here. */
  readonly position: number
  /** Where the content begins that it is of. */
  readonly epoch: number
  readonly #stored: StoredAnswer
  readonly #address: Address
  readonly #egress: Egress
  #isWhole = false
  #isDone = false
  #hasEnded = false

  constructor(stored: StoredAnswer, address: Address, egress: Egress) {
    this.position = stored.position
    this.epoch = stored.epoch
    this.#stored = stored
    this.#address = address
    this.#egress = egress
  }

  /** Whether all was sent that is committed up to `position`. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** Whether the client was told that this is all. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** Sends nothing more: the document is open, and its channel goes on with the answer, or the client was denied it. */
  end(): void {
    this.#hasEnded = true
  }

  /**
   * Sends what is stored to a client whose token came at `since`, on the clock of `performance`. It is told that this is
   * all only if the log was read after that: it may have come from another instance, and heard there of what came later.
   */
  async send(since: number): Promise<void> {
    const { snapshot, tail, at } = this.#stored
    const first = await snapshot
    if (this.#hasEnded) return
    for (const frame of first.for(this.#address)) this.#egress.send(frame, true)
    const rest = await tail
    if (rest === undefined || this.#hasEnded) return
    for (const shared of rest) {
      for (const frame of shared.for(this.#address)) this.#egress.send(frame, true)
    }
    this.#isWhole = true
    if (at < since) return
    this.#egress.send(syncFrame(this.#address, SyncType.Step2, NO_CHANGE), true)
    this.#isDone = true
  }
}
