import type { Transport } from './transport.ts'

/** When a peer is to be pinged, and when it is dead: nothing at all came from it between two pings. */
export class Heartbeat {
  readonly #transport: Transport
  readonly #intervalMs: number
  /** When something last came from the peer, ms since 1970. */
  #heardAt = Date.now()
  #heardFrom = true
  #lastPingAt = this.#heardAt

  constructor(transport: Transport, intervalMs: number) {
    this.#transport = transport
    this.#intervalMs = intervalMs
  }

  /** When the next ping is due at the latest, ms since 1970. */
  get dueAt(): number {
    return this.#lastPingAt + this.#intervalMs
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

  /** To be called before each ping. Returns whether the peer seems to be there. */
  beat(now: number): boolean {
    const hasSpoken = this.#transport.hasSpoken()
    // A peer that we don't read can't be heard.
    if (!this.#heardFrom && !hasSpoken && !this.#transport.isPaused) return false
    this.#heardFrom = false
    this.#lastPingAt = now
    return true
  }
}
