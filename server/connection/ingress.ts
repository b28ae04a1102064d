import type { Meter } from './meter.ts'
import type { Transport } from './transport.ts'

/** How long one client's messages may keep the loop from everybody else's. */
const TURN_MS = 4
/** How soon a paused client is looked at again. */
const PAUSE_MS = 5
/** A client that sent too much is looked at again at least this often. */
const LONGEST_PAUSE_MS = 250

/** Whose messages they are. */
export interface Receiver {
  /** Whether nothing more is to be taken of it for now. */
  readonly mustWait: boolean
  /** `arrivedAt` is on the clock of `performance`. */
  take(data: Uint8Array, arrivedAt: number): void
}

interface Waiting {
  readonly data: Uint8Array
  readonly arrivedAt: number
}

/**
 * One client's way in. Its messages are taken in order, a few milliseconds' worth a turn; its transport is paused while
 * `mustWait` says so, or it has sent more than `meter` lets it. Nothing is dropped: that slows the sender down.
 */
export class Ingress {
  readonly #transport: Transport
  readonly #meter: Meter
  readonly #receiver: Receiver
  /** Undefined while nothing waits, as mostly. */
  #queue: Waiting[] | undefined
  #scheduled = false
  #stopped = false
  /** On the clock of `performance`; 0 between turns. */
  #turnStartedAt = 0

  constructor(transport: Transport, meter: Meter, receiver: Receiver) {
    this.#transport = transport
    this.#meter = meter
    this.#receiver = receiver
  }

  push(data: Uint8Array): void {
    if (this.#stopped) return
    const now = performance.now()
    if (this.#scheduled || !this.#hasTime(now) || this.#isHeldBack()) {
      this.#queue ??= []
      this.#queue.push({ data, arrivedAt: now })
      this.#wait()
    } else {
      this.#take(data, now)
    }
  }

  /** Takes nothing more. The transport goes on, so that its closing is noticed. */
  stop(): void {
    this.#stopped = true
    this.#queue = undefined
    this.#transport.resume()
  }

  #take(data: Uint8Array, arrivedAt: number): void {
    this.#meter.count(data.length)
    this.#receiver.take(data, arrivedAt)
  }

  #isHeldBack(): boolean {
    return this.#meter.waitMs() > 0 || this.#receiver.mustWait
  }

  /** Whether this client has some of the current turn of the loop left. */
  #hasTime(now: number): boolean {
    if (this.#turnStartedAt === 0) {
      this.#turnStartedAt = now
      endOfTurn.tell(this)
      return true
    }
    return now - this.#turnStartedAt < TURN_MS
  }

  #wait(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#transport.pause()
    const waitMs = this.#meter.waitMs()
    if (waitMs > 0) setTimeout(() => this.#resume(), Math.min(waitMs, LONGEST_PAUSE_MS))
    else if (this.#receiver.mustWait) setTimeout(() => this.#resume(), PAUSE_MS)
    else setImmediate(() => this.#resume())
  }

  #resume(): void {
    this.#scheduled = false
    const queue = this.#queue ?? []
    let next = 0
    while (!this.#stopped && this.#hasTime(performance.now()) && !this.#isHeldBack()) {
      const waiting = queue[next]
      if (waiting === undefined) break
      next += 1
      this.#take(waiting.data, waiting.arrivedAt)
    }
    if (this.#stopped) return
    this.#queue = next < queue.length ? queue.slice(next) : undefined
    if (this.#queue !== undefined) this.#wait()
    else this.#transport.resume()
  }

  turnEnded(): void {
    this.#turnStartedAt = 0
    this.#meter.endTurn()
  }
}

/** Tells all who took something in this turn of the loop when it has ended: one callback for all sockets. */
const endOfTurn = {
  waiting: [] as Ingress[],

  tell(ingress: Ingress): void {
    if (this.waiting.push(ingress) > 1) return
    setImmediate(() => {
      const ended = this.waiting
      this.waiting = []
      for (const each of ended) each.turnEnded()
    })
  },
}
