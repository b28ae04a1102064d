import { HocuspocusProviderWebsocket, WebSocketStatus } from '@hocuspocus/provider'
import { type Frame, readFrame } from './frames.ts'

/** The page's one connection. All its documents share it; it reports each frame that really leaves. */
export class PageSocket extends HocuspocusProviderWebsocket {
  readonly #onSent: (frame: Frame) => void

  constructor(url: string, onSent: (frame: Frame) => void) {
    // Back within seconds of the server, also after it was away for long.
    super({ url, autoConnect: false, delay: 500, minDelay: 500, factor: 1.5, maxDelay: 8_000 })
    this.#onSent = onSent
  }

  /** Called for each frame, and again for those that had to wait for the connection. */
  override send(frame: unknown): void {
    if (this.webSocket?.readyState === WebSocket.OPEN && frame instanceof Uint8Array) {
      const read = readFrame(frame)
      if (read !== undefined) this.#onSent(read)
    }
    super.send(frame)
  }

  /** Connects now, also in the middle of waiting for the next attempt. */
  start(): void {
    if (this.status !== WebSocketStatus.Connected) void this.connect()
  }

  /** Treats the connection as lost without waiting for the network to agree; a new one follows by itself. */
  drop(reason: string): void {
    this.clearReconnectTimeout()
    this.emit('close', { event: { code: 1000, reason } })
  }

  /** Stays away until `start`. */
  stop(): void {
    this.shouldConnect = false
    if (this.webSocket !== null) this.drop('stopped')
    this.clearReconnectTimeout()
  }
}
