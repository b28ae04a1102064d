import { CoweaveError } from '../model/errors.ts'
import type { SocketClass } from './session-socket.ts'

/** So many sockets that never open, while plain HTTP works, mean that something on the way blocks them. */
const FAILURES_BEFORE_HTTP = 2
const PROBE_MS = 30_000
const PROBE_TIMEOUT_MS = 10_000

export interface TransportOptions {
  readonly http: string
  readonly socket: string
  /** What looks like a WebSocket and works over plain HTTP; without it there are only sockets. */
  readonly HttpSocket: SocketClass | undefined
  /** While over HTTP: a real socket can be had again. */
  readonly onSocketPossible: () => void
}

/** Chooses what the next connection goes over: a WebSocket, or plain HTTP where those are blocked. */
export class Transport {
  readonly #options: TransportOptions
  #via: 'socket' | 'http' = 'socket'
  #failures = 0
  #timer: ReturnType<typeof setInterval> | undefined
  #probe: WebSocket | undefined
  #closed = false

  constructor(options: TransportOptions) {
    this.#options = options
  }

  get via(): 'socket' | 'http' {
    return this.#via
  }

  /** @throws {CoweaveError} `client/no-websocket` where there is nothing to connect with */
  get socketClass(): SocketClass {
    if (this.#via === 'http' && this.#options.HttpSocket !== undefined) return this.#options.HttpSocket
    if (typeof WebSocket === 'undefined') throw new CoweaveError('client/no-websocket', 'there is no WebSocket here')
    return WebSocket
  }

  opened(): void {
    this.#failures = 0
  }

  /** A connection never opened. */
  async failed(): Promise<void> {
    if (this.#via === 'http') {
      // Sockets are tried again: what blocked them may be gone with what let HTTP through.
      this.#use('socket')
      return
    }
    this.#failures += 1
    if (this.#failures < FAILURES_BEFORE_HTTP || this.#options.HttpSocket === undefined) return
    if (await this.#answersOverHttp()) this.#use('http')
  }

  /** The network has changed: a good moment to try a socket. */
  probe(): void {
    if (this.#via === 'socket' || this.#probe !== undefined || typeof WebSocket === 'undefined') return
    const probe = new WebSocket(this.#options.socket)
    this.#probe = probe
    const end = (isPossible: boolean) => {
      if (this.#probe !== probe) return
      this.#probe = undefined
      clearTimeout(timer)
      probe.close()
      if (!isPossible || this.#closed || this.#via === 'socket') return
      this.#use('socket')
      this.#options.onSocketPossible()
    }
    const timer = setTimeout(() => end(false), PROBE_TIMEOUT_MS)
    probe.addEventListener('open', () => end(true))
    probe.addEventListener('close', () => end(false))
    probe.addEventListener('error', () => end(false))
  }

  /** Ends what is under way. It can be used again. */
  rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  close(): void {
    this.#closed = true
    this.rest()
    this.#probe?.close()
    this.#probe = undefined
  }

  #use(via: 'socket' | 'http'): void {
    this.#via = via
    this.#failures = 0
    clearInterval(this.#timer)
    this.#timer = via === 'http' && !this.#closed ? setInterval(() => this.probe(), PROBE_MS) : undefined
  }

  async #answersOverHttp(): Promise<boolean> {
    try {
      const response = await fetch(`${this.#options.http}/health/live`, {
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      })
      return response.ok
    } catch {
      // Whatever it is, HTTP is no way around it.
      return false
    }
  }
}
