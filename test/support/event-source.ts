import { type TokenOptions, tokenFor } from './server.ts'

/** An event of a stream for clients, as it came. */
export interface SentEvent {
  readonly id: string | undefined
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface SourceOptions extends TokenOptions {
  readonly user?: string
  readonly lastEventId?: string | undefined
}

/** A stream of server-sent events, as a client reads it. */
export class EventSourceReader {
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>
  readonly #stop: AbortController
  readonly #decoder = new TextDecoder()
  #text = ''

  static async open(
    url: string,
    { user = 'reader', lastEventId, ...token }: SourceOptions = {},
  ): Promise<EventSourceReader> {
    const stop = new AbortController()
    const response = await fetch(url, {
      signal: stop.signal,
      headers: {
        authorization: `Bearer ${tokenFor(user, token)}`,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    })
    if (response.status !== 200 || response.body === null)
      throw new Error(`${response.status}: ${await response.text()}`)
    return new EventSourceReader(response.body, stop)
  }

  private constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>, stop: AbortController) {
    this.#chunks = body.getReader()
    this.#stop = stop
  }

  /** The next event of one of these names, of any if none are given; undefined once the stream has ended. */
  async next(...names: readonly string[]): Promise<SentEvent | undefined> {
    for (;;) {
      const event = await this.#event()
      if (event === undefined || names.length === 0 || names.includes(event.name)) return event
    }
  }

  /** Cuts the connection: what was not read is lost. */
  close(): void {
    this.#stop.abort()
  }

  async #event(): Promise<SentEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end < 0) {
        const { value, done } = await this.#chunks.read()
        if (done) return undefined
        this.#text += this.#decoder.decode(value, { stream: true })
        continue
      }
      const lines = this.#text.slice(0, end).split('\n')
      this.#text = this.#text.slice(end + 2)
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const data = field('data')
      if (data !== undefined) return { id: field('id'), name: field('event') ?? 'message', data: JSON.parse(data) }
    }
  }
}
