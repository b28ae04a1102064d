import { randomBytes } from 'node:crypto'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { CloseCode } from '../../model/close-codes.ts'
import { TunnelEvent } from '../../model/tunnel.ts'
import { HttpError } from '../http/problem.ts'
import { type Frame, payloadsOf } from './frames.ts'
import { MessageAssembler } from './message-assembler.ts'
import type { Transport, TransportListener } from './transport.ts'

/** Who knows it may send in the client's name. */
const ID_BYTES = 24
/** Some proxies hold an answer back until they have about so much of it. */
const PADDING = `: ${' '.repeat(2048)}\n\n`
/** A connection that ended without a word, as in RFC 6455. */
const ABNORMAL = 1006
const NORMAL = 1000

const HEADERS: OutgoingHttpHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // no-transform: a proxy that compresses collects first.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
}

export interface TunnelLimits {
  /** Largest message before authentication, bytes. */
  readonly maxStrangerBytes: number
  /** Largest message after it, bytes. */
  readonly maxMessageBytes: number
}

/** A client without a socket: messages go down as the events of one answer, and come up in requests (model/tunnel.ts). */
export class HttpTunnel implements Transport {
  /** Names it in the requests of its client, and of nobody else. */
  readonly id = randomBytes(ID_BYTES).toString('base64url')
  /** Of a message that isn't whole yet. */
  #fragments: Buffer[] = []
  readonly #response: ServerResponse
  readonly #limits: TunnelLimits
  readonly #assembler: MessageAssembler
  readonly #resumed: (() => void)[] = []
  #listener: TransportListener | undefined
  #isTrusted = false
  #next = 0
  #isOpen = true
  #isPaused = false
  /** Whether the listener waits for room. */
  #isAwaited = false
  #end = { code: ABNORMAL, reason: '' }

  /** Begins the answer, with `headers` beside its own. */
  constructor(response: ServerResponse, headers: OutgoingHttpHeaders, limits: TunnelLimits) {
    this.#response = response
    this.#limits = limits
    this.#assembler = new MessageAssembler(limits.maxMessageBytes)
    response.writeHead(200, { ...headers, ...HEADERS })
    response.write(PADDING)
    this.#send(TunnelEvent.Open, JSON.stringify({ connection: this.id }))
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get writableLength(): number {
    return this.#response.writableLength
  }

  listen(listener: TransportListener): void {
    this.#listener = listener
    this.#response.on('error', (error) => listener.failed(error))
    this.#response.on('close', () => {
      this.#stop()
      listener.closed()
    })
  }

  trust(): void {
    this.#isTrusted = true
  }

  /** Each part of a request is told of as it comes. */
  hasSpoken(): boolean {
    return false
  }

  awaitDrain(): void {
    this.#isAwaited = true
  }

  /** A part of a request of this client came. */
  heard(): void {
    this.#listener?.heard()
  }

  /**
   * Takes the piece of the stream up with this number. Resolves once its messages are taken, so that a client which
   * waits for that before it sends the next is slowed down as a socket would be. A piece that comes again is not taken
   * again.
   * @throws {HttpError} `sync/out-of-order`, `sync/message-too-big`, `sync/gone`
   */
  async receive(number: number, piece: Buffer): Promise<void> {
    await this.#whenResumed()
    if (number > this.#next) throw new HttpError(409, 'sync/out-of-order', `piece ${this.#next} has not come yet`)
    if (number === this.#next) {
      this.#next += 1
      this.#take(piece)
      await this.#whenResumed()
    }
    if (!this.#isOpen) throw tunnelGone()
  }

  cork(): void {
    this.#response.cork()
  }

  uncork(): void {
    this.#response.uncork()
  }

  write(frames: Frame): void {
    for (const { payload, isLast } of payloadsOf(frames)) {
      this.#fragments.push(payload)
      if (!isLast) continue
      // An event holds a whole message.
      const message = this.#fragments.length === 1 ? payload : Buffer.concat(this.#fragments)
      this.#fragments = []
      this.#response.write(`data: ${message.toString('base64')}\n\n`, 'latin1', this.#written)
    }
  }

  ping(beside?: Frame): void {
    if (beside !== undefined) this.write(beside)
    this.#send(TunnelEvent.Ping, '')
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const resolve of this.#resumed.splice(0)) resolve()
  }

  close(code: CloseCode, reason: string): void {
    this.#finish(code, reason)
  }

  /** The client is done. */
  leave(): void {
    this.#finish(NORMAL, '')
  }

  terminate(): void {
    this.#stop()
    this.#response.destroy()
  }

  /**
   * What was written is on its way. Neither the answer's `drain` nor the socket's tells that of all that was held back by
   * cork().
   */
  readonly #written = (): void => {
    if (!this.#isAwaited) return
    this.#isAwaited = false
    this.#listener?.drained()
  }

  #finish(code: number, reason: string): void {
    if (!this.#isOpen) return
    this.#end = { code, reason }
    this.#stop()
    this.#send(TunnelEvent.Close, JSON.stringify(this.#end))
    this.#response.end()
  }

  #stop(): void {
    this.#isOpen = false
    this.resume()
  }

  #take(piece: Buffer): void {
    const listener = this.#listener
    if (listener === undefined || !this.#isOpen) return
    for (const message of this.#assemble(listener, piece)) {
      if (!this.#isTrusted && message.length > this.#limits.maxStrangerBytes) this.#refuseStranger(listener)
      listener.message(message)
    }
    // Counted as they come, since a token may be on its way in front of them.
    if (!this.#isTrusted && this.#assembler.waitingBytes > this.#limits.maxStrangerBytes) this.#refuseStranger(listener)
  }

  #assemble(listener: TransportListener, piece: Buffer): readonly Buffer[] {
    try {
      return this.#assembler.push(piece)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#refuse(listener, error.message)
    }
  }

  #refuseStranger(listener: TransportListener): never {
    this.#refuse(listener, `a message before authentication has at most ${this.#limits.maxStrangerBytes} bytes`)
  }

  #refuse(listener: TransportListener, problem: string): never {
    listener.refused(CloseCode.MessageTooBig, problem)
    throw new HttpError(413, 'sync/message-too-big', problem)
  }

  async #whenResumed(): Promise<void> {
    while (this.#isPaused) await new Promise<void>((resolve) => this.#resumed.push(resolve))
  }

  #send(type: string, data: string): void {
    this.#response.write(`event: ${type}\ndata: ${data}\n\n`)
  }
}

/** There is no such tunnel, or none any more. */
export function tunnelGone(): HttpError {
  return new HttpError(404, 'sync/gone', 'this connection is closed; open another one')
}
