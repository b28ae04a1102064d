import { MAX_PIECE_BYTES, PIECE_HEADER, TunnelEvent } from '../model/tunnel.ts'
import { readEvents, type StreamEvent } from './event-stream.ts'
import { PieceQueue } from './piece-queue.ts'

/** How long the server may take to accept. */
const OPEN_TIMEOUT_MS = 10_000
/** How long the last messages may take to leave once it is being closed. */
const CLOSE_TIMEOUT_MS = 5_000
/** How long the reason of an end may come after the end itself. */
const REASON_TIMEOUT_MS = 2_000
const FIRST_RETRY_MS = 250
const MAX_ATTEMPTS = 6
const NORMAL = 1000
/** Ended without a word. */
const ABNORMAL = 1006
/** Answers that say nothing about the request itself: the same one may succeed a little later. */
const RETRIED: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/** What `close` listeners get: the fields of a browser's CloseEvent. */
export class HttpCloseEvent extends Event {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean

  constructor(code: number, reason: string) {
    super('close')
    this.code = code
    this.reason = reason
    this.wasClean = code !== ABNORMAL
  }
}

/**
 * Looks like a WebSocket and works where those are blocked: messages come as the events of one HTTP answer and go up
 * in requests, one at a time, with all that was sent meanwhile in the next one. For binary messages only. Give it to
 * HocuspocusProviderWebsocket as `WebSocketPolyfill`.
 *
 * Emits `open`, `message` (with an ArrayBuffer), `error` and `close`; the code is the server's, or 1006.
 */
export class HttpSocket extends EventTarget {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly url: string
  /** There is no other kind; a WebSocket wants to be told. */
  binaryType: BinaryType = 'arraybuffer'
  readonly #syncUrl: URL
  readonly #stream = new AbortController()
  readonly #queue = new PieceQueue()
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  #readyState: 0 | 1 | 2 | 3 = HttpSocket.CONNECTING
  /** Where pieces go to; undefined before the server has accepted. */
  #connection: URL | undefined
  #nextPiece = 0
  #isPosting = false
  /** Whether the server wants to hear something. */
  #owesPiece = false

  /** `url` is that of the WebSocket it stands for, such as `wss://host/collab?schema=3`. Connects at once. */
  constructor(url: string | URL) {
    super()
    this.url = String(url)
    this.#syncUrl = syncUrlOf(this.url)
    void this.#read()
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState
  }

  /** Bytes that were sent and have not left yet. */
  get bufferedAmount(): number {
    return this.#queue.size
  }

  /** @throws {DOMException} `InvalidStateError` before it is open; afterwards what is sent is dropped */
  send(message: Uint8Array | ArrayBuffer): void {
    if (this.#readyState === HttpSocket.CONNECTING) {
      throw new DOMException('still connecting', 'InvalidStateError')
    }
    if (this.#readyState !== HttpSocket.OPEN) return
    this.#queue.push(message instanceof Uint8Array ? message : new Uint8Array(message))
    void this.#post()
  }

  /** Closes once what was sent has left. */
  close(): void {
    if (this.#readyState >= HttpSocket.CLOSING) return
    this.#readyState = HttpSocket.CLOSING
    if (this.#isPosting) this.#after(CLOSE_TIMEOUT_MS, () => this.#leave())
    else this.#leave()
  }

  #leave(): void {
    if (this.#connection !== undefined) {
      // Also from a page that is just being left. Without it the server notices by itself, a little later.
      fetch(this.#connection, { method: 'DELETE', keepalive: true }).catch(() => {})
    }
    this.#end(NORMAL, '')
  }

  async #read(): Promise<void> {
    try {
      const timeout = this.#after(OPEN_TIMEOUT_MS, () => this.#end(ABNORMAL, 'the server did not answer in time'))
      const body = await openStream(this.#syncUrl, this.#stream.signal)
      for await (const event of readEvents(body)) {
        if (event.type === TunnelEvent.Open) clearTimeout(timeout)
        this.#handle(event)
      }
      this.#end(ABNORMAL, 'the connection ended')
    } catch (error) {
      this.#end(ABNORMAL, error instanceof Error ? error.message : String(error))
    }
  }

  #handle({ type, lines }: StreamEvent): void {
    switch (type) {
      case '':
        for (const line of lines) this.#emit(new MessageEvent('message', { data: fromBase64(line).buffer }))
        return
      case TunnelEvent.Open: {
        const connection = fieldOf(lines, 'connection')
        if (typeof connection !== 'string') throw new Error('the server sent no connection')
        this.#opened(connection)
        return
      }
      case TunnelEvent.Ping:
        this.#owesPiece = true
        void this.#post()
        return
      case TunnelEvent.Close:
        this.#end(Number(fieldOf(lines, 'code') ?? ABNORMAL), String(fieldOf(lines, 'reason') ?? ''))
        return
      default: // of a newer server
    }
  }

  #opened(connection: string): void {
    this.#connection = new URL(this.#syncUrl)
    this.#connection.pathname += `/${connection}`
    if (this.#readyState !== HttpSocket.CONNECTING) return
    this.#readyState = HttpSocket.OPEN
    this.#emit(new Event('open'))
  }

  /** Sends what waits, piece by piece. */
  async #post(): Promise<void> {
    if (this.#isPosting) return
    this.#isPosting = true
    // What is sent in the same moment goes along.
    await null
    while (this.#readyState !== HttpSocket.CLOSED && (this.#queue.size > 0 || this.#owesPiece)) {
      this.#owesPiece = false
      const problem = await this.#postPiece(this.#queue.take(MAX_PIECE_BYTES))
      if (problem !== undefined) {
        // The stream tells more, unless it is broken as well.
        this.#queue.clear()
        this.#after(REASON_TIMEOUT_MS, () => this.#end(ABNORMAL, problem))
        return
      }
    }
    this.#isPosting = false
    if (this.#readyState === HttpSocket.CLOSING) this.#leave()
  }

  /** Resolves with why the piece could not be delivered; undefined if it was. */
  async #postPiece(piece: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
    const url = this.#connection
    if (url === undefined) return 'there is no connection'
    const headers = { 'Content-Type': 'application/octet-stream', [PIECE_HEADER]: String(this.#nextPiece) }
    for (let attempt = 1; ; attempt += 1) {
      const problem = await fetch(url, { method: 'POST', headers, body: piece, signal: this.#stream.signal }).then(
        (response) =>
          response.ok ? undefined : { message: `HTTP ${response.status}`, retry: RETRIED.has(response.status) },
        (error: unknown) => ({ message: String(error), retry: true }),
      )
      if (problem === undefined) {
        this.#nextPiece += 1
        return undefined
      }
      if (!problem.retry || attempt === MAX_ATTEMPTS || this.#stream.signal.aborted) return problem.message
      // The same piece again: whether it arrived can't be known, and the server takes each once.
      await new Promise<void>((resolve) => this.#after(FIRST_RETRY_MS * 2 ** (attempt - 1), resolve))
    }
  }

  #end(code: number, reason: string): void {
    if (this.#readyState === HttpSocket.CLOSED) return
    const wasOpen = this.#connection !== undefined
    this.#readyState = HttpSocket.CLOSED
    for (const timer of this.#timers) clearTimeout(timer)
    this.#queue.clear()
    this.#stream.abort()
    if (!wasOpen) this.#emit(new Event('error'))
    this.#emit(new HttpCloseEvent(code, reason))
  }

  /** Listeners hear nothing after the end. */
  #emit(event: Event): void {
    if (event.type === 'message' && this.#readyState === HttpSocket.CLOSED) return
    this.dispatchEvent(event)
  }

  #after(ms: number, action: () => void): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    this.#timers.add(timer)
    return timer
  }
}

/** Where the tunnel is for the WebSocket at `url`. */
function syncUrlOf(url: string): URL {
  const syncUrl = new URL(url.replace(/^ws/i, 'http'))
  syncUrl.pathname = `${syncUrl.pathname.replace(/\/(collab\/?)?$/, '')}/api/sync`
  return syncUrl
}

async function openStream(url: URL, signal: AbortSignal): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const response = await fetch(url, { signal, cache: 'no-store', headers: { Accept: 'text/event-stream' } })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  // Such as the sign-in page of a network.
  if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) throw new Error('no event stream')
  if (response.body === null) throw new Error('an answer without a body')
  return response.body
}

function fieldOf(lines: readonly string[], name: string): unknown {
  const value: unknown = JSON.parse(lines.join('\n'))
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}
