import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/** Pings a peer, and tells when it is dead: nothing at all came from it between two pings. */
export class Heartbeat {
  readonly #ws: WebSocket
  readonly #intervalMs: number
  #heardFrom = true
  #lastPingAt = Date.now()

  constructor(ws: WebSocket, socket: Duplex, intervalMs: number) {
    this.#ws = ws
    this.#intervalMs = intervalMs
    // Its answer to a ping, or anything else: on a slow line that may stand behind a large message for minutes.
    socket.on('data', () => {
      this.#heardFrom = true
    })
  }

  /** To be called about once a second. Returns whether the peer seems to be there. */
  tick(now: number): boolean {
    if (now - this.#lastPingAt < this.#intervalMs) return true
    // A socket that we don't read can't be heard.
    if (!this.#heardFrom && !this.#ws.isPaused) return false
    this.#heardFrom = false
    this.#lastPingAt = now
    this.#ws.ping()
    return true
  }
}
