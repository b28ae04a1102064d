import type { Egress } from './egress.ts'
import type { Frame } from './frames.ts'
import type { Transport } from './transport.ts'

/** A client hears something about this often, or stock providers take the connection for dead after 30 s. */
const SILENCE_MS = 25_000

/** Shows a client that the server is there, and finds out whether the client is: one that is dead answers no ping. */
export class Heartbeat {
  readonly #transport: Transport
  readonly #egress: Egress
  readonly #intervalMs: number
  /** When something last came from the peer, ms since 1970. */
  #heardAt = Date.now()
  #heardFrom = true
  #lastPingAt = this.#heardAt

  constructor(transport: Transport, egress: Egress, intervalMs: number) {
    this.#transport = transport
    this.#egress = egress
    this.#intervalMs = intervalMs
  }

  /** When beat() has something to do at the latest, ms since 1970. */
  get dueAt(): number {
    return Math.min(this.#pingDueAt, this.#egress.lastWriteAt + SILENCE_MS)
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

  /**
   * Says something to a client that hears nothing else, and asks for a sign of life: both at once if both are due soon.
   * `silence` makes what tells nothing, for those who would understand it. Returns whether the peer seems to be there.
   */
  beat(now: number, silence: () => Frame | undefined): boolean {
    const hearsNothing = now - this.#egress.lastWriteAt >= SILENCE_MS
    const isPingDue = this.#pingDueAt <= (hearsNothing ? now + SILENCE_MS : now)
    if (isPingDue && !this.#isThere()) return false
    const frame = hearsNothing ? silence() : undefined
    if (isPingDue) {
      this.#heardFrom = false
      this.#lastPingAt = now
      this.#egress.ping(frame)
    } else if (frame !== undefined) this.#egress.send(frame)
    else if (hearsNothing) this.#egress.lastWriteAt = now
    return true
  }

  get #pingDueAt(): number {
    return this.#lastPingAt + this.#intervalMs
  }

  /** Whether anything at all came since the last ping. A peer that we don't read can't be heard. */
  #isThere(): boolean {
    return this.#transport.hasSpoken() || this.#heardFrom || this.#transport.isPaused
  }
}
