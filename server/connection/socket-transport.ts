import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import { CloseCode } from '../../model/close-codes.ts'
import type { Frame } from './frames.ts'
import { limitStranger } from './stranger-limit.ts'
import type { Transport, TransportListener } from './transport.ts'

/** Frames that leave together are joined up to so many bytes: a copy costs less than to hand over each by itself. */
const JOINED_BYTES = 16 * 1024
/** A ping without a payload (RFC 6455, section 5.5.2). */
const PING = Buffer.of(0x89, 0)

/**
 * A WebSocket. Whole frames are written past ws, straight to its TCP socket: one frame for all who get it, and one
 * system call for all that leave together.
 */
export class SocketTransport implements Transport {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly #maxStrangerBytes: number
  #listener: TransportListener | undefined
  #endLimit: (() => void) | undefined
  #bytesRead = 0
  /** What waits for uncork(). */
  readonly #corked: Frame[] = []
  #corkedBytes = 0
  #isCorked = false

  /** `maxStrangerBytes` bounds messages before authentication; `ws` bounds those after it. */
  constructor(ws: WebSocket, socket: Duplex, maxStrangerBytes: number) {
    this.#ws = ws
    this.#socket = socket
    this.#maxStrangerBytes = maxStrangerBytes
  }

  get isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN
  }

  get isPaused(): boolean {
    return this.#ws.isPaused
  }

  get writableLength(): number {
    return this.#socket.writableLength + this.#corkedBytes
  }

  listen(listener: TransportListener): void {
    const ws = this.#ws
    this.#listener = listener
    ws.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary) listener.message(bytesOf(data))
      else listener.refused(CloseCode.Malformed, 'text frames are not understood')
    })
    ws.on('pong', () => listener.heard())
    // ws closes by itself after an error of the protocol, with the code that belongs to it.
    ws.on('error', (error) => listener.failed(error))
    ws.on('close', () => listener.closed())
    const maxBytes = this.#maxStrangerBytes
    this.#endLimit = limitStranger(ws, this.#socket, maxBytes, () =>
      listener.refused(CloseCode.MessageTooBig, `a message before authentication has at most ${maxBytes} bytes`),
    )
  }

  trust(): void {
    this.#endLimit?.()
    this.#endLimit = undefined
  }

  hasSpoken(): boolean {
    const before = this.#bytesRead
    this.#bytesRead = 'bytesRead' in this.#socket ? Number(this.#socket.bytesRead) : 0
    return this.#bytesRead > before
  }

  awaitDrain(): void {
    this.#socket.once('drain', () => this.#listener?.drained())
  }

  cork(): void {
    this.#isCorked = true
  }

  uncork(): void {
    this.#isCorked = false
    const frames = this.#corked
    const [only] = frames
    if (only === undefined) return
    if (frames.length === 1) {
      this.#socket.write(only)
    } else if (this.#corkedBytes <= JOINED_BYTES) {
      this.#socket.write(Buffer.concat(frames, this.#corkedBytes))
    } else {
      this.#socket.cork()
      for (const frame of frames) this.#socket.write(frame)
      this.#socket.uncork()
    }
    this.#corked.length = 0
    this.#corkedBytes = 0
  }

  write(frame: Frame): void {
    if (!this.#isCorked) {
      this.#socket.write(frame)
      return
    }
    this.#corked.push(frame)
    this.#corkedBytes += frame.length
  }

  ping(beside?: Frame): void {
    if (this.isOpen) this.#socket.write(beside === undefined ? PING : Buffer.concat([beside, PING]))
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }

  close(code: CloseCode, reason: string): void {
    this.#ws.close(code, reason)
  }

  terminate(): void {
    this.#ws.terminate()
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  return Array.isArray(data) ? Buffer.concat(data) : data
}
