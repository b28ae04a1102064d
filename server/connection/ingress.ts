import type { Meter } from './meter.ts'
import type { Transport } from './transport.ts'

/** How long one client's messages may keep the loop from everybody else's. */
const TURN_MS = 4
/** How soon a paused client is looked at again. */
const PAUSE_MS = 5
/** A client that sent too much is looked at again at least this often. */
const LONGEST_PAUSE_MS = 250

/**
 * One client's way in. Its messages are taken in order, a few milliseconds' worth a turn; its transport is paused while
 * `mustWait` says so, or it has sent more than `meter` lets it. Nothing is dropped: that slows the sender down.
 */
export class Ingress {
  readonly #transport: Transport
  readonly #meter: Meter
  readonly #mustWait: () => boolean
  readonly #receive: (data: Uint8Array, arrivedAt: number) => void
  #queue: Uint8Array[] = []
  /** When each of the queue came, on the clock of `performance`. */
  #arrivedAt: number[] = []
  #scheduled = false
  #stopped = false
  #turnStartedAt = 0
  #turn = 0

  constructor(
    transport: Transport,
    meter: Meter,
    mustWait: () => boolean,
    receive: (data: Uint8Array, arrivedAt: number) => void,
  ) {
    this.#transport = transport
    this.#meter = meter
    this.#mustWait = mustWait
    this.#receive = receive
  }

  push(data: Uint8Array): void {
    if (this.#stopped) return
    const now = performance.now()
    if (this.#scheduled || !this.#hasTime(now) || this.#isHeldBack()) {
      this.#queue.push(data)
      this.#arrivedAt.push(now)
      this.#wait()
    } else {
      this.#take(data, now)
    }
  }

  /** Takes nothing more. The transport goes on, so that its closing is noticed. */
  stop(): void {
    this.#stopped = true
    this.#queue = []
    this.#arrivedAt = []
    this.#transport.resume()
  }

  #take(data: Uint8Array, arrivedAt: number): void {
    this.#meter.count(data.length)
    this.#receive(data, arrivedAt)
  }

  #isHeldBack(): boolean {
    return this.#meter.waitMs() > 0 || this.#mustWait()
  }

  /** Whether this client has some of the current turn of the loop left. */
  #hasTime(now: number): boolean {
    if (this.#turn === 0) {
      this.#turn = 1
      this.#turnStartedAt = now
      setImmediate(() => {
        this.#turn = 0
        this.#meter.endTurn()
      })
      return true
    }
    return now - this.#turnStartedAt < TURN_MS
  }

  #wait(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#transport.pause()
    const waitMs = this.#meter.waitMs()
    if (waitMs > 0) setTimeout(this.#resume, Math.min(waitMs, LONGEST_PAUSE_MS))
    else if (this.#mustWait()) setTimeout(this.#resume, PAUSE_MS)
    else setImmediate(this.#resume)
  }

  readonly #resume = (): void => {
    this.#scheduled = false
    const queue = this.#queue
    let next = 0
    while (!this.#stopped && next < queue.length && this.#hasTime(performance.now()) && !this.#isHeldBack()) {
      const data = queue[next]
      const arrivedAt = this.#arrivedAt[next] ?? 0
      next += 1
      if (data !== undefined) this.#take(data, arrivedAt)
    }
    if (this.#stopped) return
    this.#queue = queue.slice(next)
    this.#arrivedAt = this.#arrivedAt.slice(next)
    if (this.#queue.length > 0) this.#wait()
    else this.#transport.resume()
  }
}
