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
  #asking = new AbortController()
  /** Set while a socket is being tried. */
  #endProbe: (() => void) | undefined

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
    if (this.#via === 'http') this.#timer ??= setInterval(() => this.probe(), PROBE_MS)
  }

  /** A connection never opened. Resolves with whether another way is worth a try at once. */
  async failed(): Promise<boolean> {
    if (this.#via === 'http') {
      // A socket is tried again, once: what blocked those may be gone with what let HTTP through.
      this.#use('socket')
      this.#failures = FAILURES_BEFORE_HTTP - 1
      return false
    }
    this.#failures += 1
    if (this.#failures < FAILURES_BEFORE_HTTP || this.#options.HttpSocket === undefined) return false
    // A socket that opened meanwhile is the better proof.
    if (!(await this.#answersOverHttp()) || this.#failures < FAILURES_BEFORE_HTTP) return false
    this.#use('http')
    return true
  }

  /** Sees whether a socket can be had again; a change of the network is a good moment to. */
  probe(): void {
    if (this.#via === 'socket' || this.#endProbe !== undefined || typeof WebSocket === 'undefined') return
    const probe = new WebSocket(this.#options.socket)
    const end = () => {
      clearTimeout(timer)
      this.#endProbe = undefined
      probe.close()
    }
    const timer = setTimeout(end, PROBE_TIMEOUT_MS)
    this.#endProbe = end
    probe.addEventListener('error', () => {
      if (this.#endProbe === end) end()
    })
    probe.addEventListener('open', () => {
      if (this.#endProbe !== end) return
      end()
      this.#use('socket')
      this.#options.onSocketPossible()
    })
  }

  /** Ends what is under way. It can be used again. */
  rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#endProbe?.()
    this.#asking.abort()
    this.#asking = new AbortController()
  }

  #use(via: 'socket' | 'http'): void {
    this.#via = via
    this.#failures = 0
    this.rest()
  }

  async #answersOverHttp(): Promise<boolean> {
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(PROBE_TIMEOUT_MS), this.#asking.signal])
      const response = await fetch(`${this.#options.http}/health/live`, { signal })
      return response.ok
    } catch {
      // Whatever it is, HTTP is no way around it.
      return false
    }
  }
}
