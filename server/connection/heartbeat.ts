import type { Transport } from './transport.ts'

/** Pings a peer, and tells when it is dead: nothing at all came from it between two pings. */
export class Heartbeat {
  readonly #transport: Transport
  readonly #intervalMs: number
  /** When something last came from the peer, ms since 1970. */
  #heardAt = Date.now()
  #heardFrom = true
  #lastPingAt = Date.now()

  constructor(transport: Transport, intervalMs: number) {
    this.#transport = transport
    this.#intervalMs = intervalMs
  }

  /** Something came from the peer. */
  heard(): void {
    this.#heardFrom = true
    this.#heardAt = Date.now()
  }

  /** Whether something came since then, ms since 1970. If not, the peer is asked for a sign of life now. */
  probe(since: number): boolean {
    if (this.#heardAt >= since) return true
    this.#transport.ping()
    return false
  }

  /** To be called about once a second. Returns whether the peer seems to be there. */
  tick(now: number): boolean {
    if (now - this.#lastPingAt < this.#intervalMs) return true
    // A peer that we don't read can't be heard.
    if (!this.#heardFrom && !this.#transport.isPaused) return false
    this.#heardFrom = false
    this.#lastPingAt = now
    this.#transport.ping()
    return true
  }
}
