import type { Transport } from './transport.ts'

/** How long one client's messages may keep the loop from everybody else's. */
const TURN_MS = 4
/** How soon a paused client is looked at again. */
const PAUSE_MS = 5

/**
 * One client's way in. Its messages are taken in order, a few milliseconds' worth a turn; its transport is paused while
 * `mustWait` says so. Nothing is dropped: that slows the sender down.
 */
export class Ingress {
  readonly #transport: Transport
  readonly #mustWait: () => boolean
  readonly #receive: (data: Uint8Array) => void
  #queue: Uint8Array[] = []
  #scheduled = false
  #stopped = false
  #turnStartedAt = 0
  #turn = 0

  constructor(transport: Transport, mustWait: () => boolean, receive: (data: Uint8Array) => void) {
    this.#transport = transport
    this.#mustWait = mustWait
    this.#receive = receive
  }

  push(data: Uint8Array): void {
    if (this.#stopped) return
    if (this.#scheduled || !this.#hasTime() || this.#mustWait()) {
      this.#queue.push(data)
      this.#wait()
    } else {
      this.#receive(data)
    }
  }

  /** Takes nothing more. The transport goes on, so that its closing is noticed. */
  stop(): void {
    this.#stopped = true
    this.#queue = []
    this.#transport.resume()
  }

  /** Whether this client has some of the current turn of the loop left. */
  #hasTime(): boolean {
    const now = performance.now()
    if (this.#turn === 0) {
      this.#turn = 1
      this.#turnStartedAt = now
      setImmediate(() => {
        this.#turn = 0
      })
      return true
    }
    return now - this.#turnStartedAt < TURN_MS
  }

  #wait(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#transport.pause()
    if (this.#mustWait()) setTimeout(this.#resume, PAUSE_MS)
    else setImmediate(this.#resume)
  }

  readonly #resume = (): void => {
    this.#scheduled = false
    const queue = this.#queue
    let next = 0
    while (!this.#stopped && next < queue.length && this.#hasTime() && !this.#mustWait()) {
      const data = queue[next]
      next += 1
      if (data !== undefined) this.#receive(data)
    }
    if (this.#stopped) return
    this.#queue = queue.slice(next)
    if (this.#queue.length > 0) this.#wait()
    else this.#transport.resume()
  }
}
