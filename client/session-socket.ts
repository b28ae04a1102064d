import { HocuspocusProviderWebsocket, WebSocketStatus } from '@hocuspocus/provider'
import { DocumentProvider } from './document-provider.ts'
import { readFrame } from './frames.ts'

/** A server that says nothing for so long is gone: it speaks at least every 20 seconds. */
const SILENCE_MS = 30_000
const CONNECT_TIMEOUT_MS = 15_000

/** What makes a socket: the browser's WebSocket, or one that looks like it. */
export type SocketClass = new (url: string) => object

export interface SocketClose {
  readonly code: number
  readonly reason: string
  /** Whether it was open before. */
  readonly wasOpen: boolean
}

export interface SocketEvents {
  onOpen(): void
  /** Called once after each `open`, when it failed, was dropped or was closed; the documents know already. */
  onClose(close: SocketClose): void
}

/**
 * The session's one socket at a time, on which all documents are. It never connects by itself: when to come back is
 * the session's matter. Frames that can't leave now are dropped, since a document's sync brings what they held.
 */
export class SessionSocket extends HocuspocusProviderWebsocket {
  readonly #events: SocketEvents
  #isTrying = false
  #wasOpen = false
  #lastSignAt = 0
  #connectTimer: ReturnType<typeof setTimeout> | undefined

  constructor(url: string, WebSocketPolyfill: SocketClass, events: SocketEvents) {
    super({ url, autoConnect: false, WebSocketPolyfill, messageReconnectTimeout: SILENCE_MS })
    this.#events = events
    this.on('open', () => this.#opened())
    this.on('message', () => {
      this.#lastSignAt = Date.now()
    })
  }

  get isOpen(): boolean {
    return this.webSocket?.readyState === 1
  }

  /** Tries once to connect. Nothing happens while that is under way, or it is connected. */
  open(WebSocketPolyfill: SocketClass): void {
    if (this.#isTrying) return
    this.#isTrying = true
    this.#wasOpen = false
    this.configuration.WebSocketPolyfill = WebSocketPolyfill
    this.receivedOnOpenPayload = undefined
    this.#connectTimer = setTimeout(() => this.drop('the server did not answer in time'), CONNECT_TIMEOUT_MS)
    // Settled by the socket's events, which are told through `onClose` and `onOpen`.
    this.createWebSocketConnection().catch(() => {})
  }

  /** Closes the connection, or ends the attempt, without waiting for the network to agree. */
  drop(reason: string): void {
    if (this.#isTrying) this.emit('close', { event: { code: 1000, reason } })
  }

  override send(frame: unknown): void {
    if (!this.isOpen) return
    if (frame instanceof Uint8Array && !this.#admits(frame)) return
    super.send(frame)
  }

  override onClose(closed: { event: { code: number; reason: string } }): void {
    super.onClose(closed)
    if (!this.#isTrying) return
    this.#isTrying = false
    clearTimeout(this.#connectTimer)
    const { code, reason } = closed.event
    const wasOpen = this.#wasOpen
    // This is the first of the listeners: the documents come before the session.
    queueMicrotask(() => this.#events.onClose({ code, reason, wasOpen }))
  }

  /** Called every few seconds. The stock one waits for a dead network to confirm that it is dead. */
  override checkConnection(): void {
    if (this.#wasOpen && Date.now() - this.#lastSignAt > SILENCE_MS) this.drop('the server has gone silent')
  }

  override destroy(): void {
    this.#isTrying = false
    clearTimeout(this.#connectTimer)
    super.destroy()
  }

  #opened(): void {
    clearTimeout(this.#connectTimer)
    this.#wasOpen = true
    this.#lastSignAt = Date.now()
    this.status = WebSocketStatus.Connected
    this.#events.onOpen()
  }

  #admits(bytes: Uint8Array): boolean {
    const frame = readFrame(bytes)
    if (frame === undefined) return true
    const provider = this.configuration.providerMap.get(frame.document)
    return !(provider instanceof DocumentProvider) || provider.admits(frame, bytes)
  }
}
