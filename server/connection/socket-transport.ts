import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import { CloseCode } from '../../model/close-codes.ts'
import type { Frame } from './frames.ts'
import { limitStranger } from './stranger-limit.ts'
import type { Transport, TransportListener } from './transport.ts'

/**
 * A WebSocket. Whole frames are written past ws, straight to its TCP socket: one frame for all who get it, and one
 * system call for all that leave together.
 */
export class SocketTransport implements Transport {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly #maxStrangerBytes: number

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
    return this.#socket.writableLength
  }

  listen(listener: TransportListener): void {
    const ws = this.#ws
    this.#socket.on('drain', () => listener.drained())
    // Its answer to a ping, or anything else: on a slow line that may stand behind a large message for minutes.
    this.#socket.on('data', () => listener.heard())
    ws.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary) listener.message(bytesOf(data))
      else listener.refused(CloseCode.Malformed, 'text frames are not understood')
    })
    // ws closes by itself after an error of the protocol, with the code that belongs to it.
    ws.on('error', (error) => listener.failed(error))
    ws.on('close', (code, reason) => listener.closed(code, reason.toString()))
    const maxBytes = this.#maxStrangerBytes
    limitStranger(ws, this.#socket, {
      maxBytes,
      isKnown: () => listener.isKnown(),
      onExceeded: () =>
        listener.refused(CloseCode.MessageTooBig, `a message before authentication has at most ${maxBytes} bytes`),
    })
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  write(frame: Frame): void {
    this.#socket.write(frame)
  }

  ping(): void {
    this.#ws.ping()
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
