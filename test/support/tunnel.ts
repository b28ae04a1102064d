import { readEvents } from '../../client/event-stream.ts'
import type { Closed } from './frame-socket.ts'

/** `payloads` as they go up a tunnel: each behind its length. */
export function pieceOf(...payloads: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const parts = payloads.flatMap((payload) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(payload.length)
    return [length, payload]
  })
  return new Uint8Array(Buffer.concat(parts))
}

/** A client of the tunnel over HTTP that does only what it is told: no retries, and no answers to pings. */
export class TunnelClient {
  readonly response: Response
  /** Oldest first. */
  readonly messages: Uint8Array[] = []
  /** Resolves with what the server's last event said; 1006 when the stream ended without one. */
  readonly closed: Promise<Closed>
  connection = ''
  pings = 0
  readonly #url: string
  readonly #abort = new AbortController()
  readonly #listeners = new Set<() => void>()
  #next = 0
  #gate: PromiseWithResolvers<void> | undefined

  /** @throws {Error} with the status when the server doesn't accept */
  static async open(
    server: { readonly url: string },
    options: { readonly query?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<TunnelClient> {
    const abort = new AbortController()
    const url = `${server.url}/api/sync`
    const response = await fetch(`${url}${options.query ?? ''}`, {
      headers: options.headers ?? {},
      signal: abort.signal,
    })
    if (response.status !== 200) throw new Error(`HTTP ${response.status} ${await response.text()}`)
    const client = new TunnelClient(url, response, abort)
    await client.until(() => client.connection !== '')
    return client
  }

  private constructor(url: string, response: Response, abort: AbortController) {
    this.#url = url
    this.response = response
    this.#abort = abort
    this.closed = this.#read(response)
  }

  /** Sends messages in one piece. */
  send(...payloads: readonly Uint8Array[]): Promise<Response> {
    return this.sendPiece(pieceOf(...payloads))
  }

  /** Sends bytes as the next piece, or as the one with `number`. */
  sendPiece(piece: Uint8Array<ArrayBuffer>, number = this.#next++): Promise<Response> {
    return fetch(`${this.#url}/${this.connection}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream', 'Coweave-Piece': String(number) },
      body: piece,
    })
  }

  /** Resolves with the first message, of those received or to come, that `matches`; rejects when the stream ends. */
  async message(matches: (message: Uint8Array) => boolean): Promise<Uint8Array> {
    let found: Uint8Array | undefined
    await this.until(() => {
      found = this.messages.find(matches)
      return found !== undefined
    })
    if (found === undefined) throw new Error('no message')
    return found
  }

  /** Resolves once `condition` holds, looked at after each event; rejects when the stream ends before. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const ended = await Promise.race([this.#event(), this.closed])
      if (ended !== undefined && !condition()) throw new Error(`closed with ${ended.code} ${ended.reason}`)
    }
  }

  /** Reads no more of the stream until resume(). */
  pause(): void {
    this.#gate ??= Promise.withResolvers<void>()
  }

  resume(): void {
    this.#gate?.resolve()
    this.#gate = undefined
  }

  delete(): Promise<Response> {
    return fetch(`${this.#url}/${this.connection}`, { method: 'DELETE' })
  }

  /** Breaks the stream. */
  destroy(): void {
    this.#abort.abort()
  }

  #event(): Promise<undefined> {
    return new Promise((resolve) => {
      const listener = () => {
        this.#listeners.delete(listener)
        resolve(undefined)
      }
      this.#listeners.add(listener)
    })
  }

  async #read({ body }: Response): Promise<Closed> {
    if (body === null) throw new Error('an answer without a body')
    try {
      for await (const { type, lines } of readEvents(body)) {
        await this.#gate?.promise
        if (type === 'close') return JSON.parse(lines.join('\n'))
        if (type === 'open') this.connection = JSON.parse(lines.join('\n')).connection
        if (type === 'ping') this.pings += 1
        if (type === '') this.messages.push(...lines.map((line) => new Uint8Array(Buffer.from(line, 'base64'))))
        for (const listener of [...this.#listeners]) listener()
      }
    } catch {
      // The stream broke: the same as one that ended without a word.
    }
    return { code: 1006, reason: '' }
  }
}
