import { tokenFor } from './server.ts'

/** An event as `GET /api/events` tells it. */
export interface ToldEvent {
  readonly number: number
  readonly id: string
  readonly kind: string
  readonly at: number
  readonly document?: string
  readonly users: readonly string[]
  readonly data: Readonly<Record<string, unknown>>
}

/** Asks for events as a back end does. */
export async function eventsOf(
  { url }: { readonly url: string },
  query = '',
): Promise<{ readonly events: readonly ToldEvent[]; readonly next: number }> {
  const headers = { authorization: `Bearer ${tokenFor('backend', { admin: true })}` }
  const response = await fetch(`${url}/api/events?${query}`, { headers })
  if (!response.ok) throw new Error(await response.text())
  return await response.json()
}

/** A stream of events, as a back end reads it. */
export class EventReader {
  readonly #chunks: ReadableStreamDefaultReader<string>
  readonly #stop = new AbortController()
  #text = ''

  static async open(
    { url }: { readonly url: string },
    { query = '', lastEventId, expiresInS }: { query?: string; lastEventId?: number; expiresInS?: number } = {},
  ): Promise<EventReader> {
    const stop = new AbortController()
    const token = tokenFor('backend', { admin: true, ...(expiresInS === undefined ? {} : { expiresInS }) })
    const response = await fetch(`${url}/api/events?${query}`, {
      signal: stop.signal,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'text/event-stream',
        ...(lastEventId === undefined ? {} : { 'last-event-id': `${lastEventId}` }),
      },
    })
    if (response.status !== 200 || response.body === null) throw new Error(await response.text())
    return new EventReader(response.body, stop)
  }

  private constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>, stop: AbortController) {
    this.#chunks = body.pipeThrough(new TextDecoderStream()).getReader()
    this.#stop = stop
  }

  /** The next event; undefined once the stream has ended. */
  async next(): Promise<ToldEvent | undefined> {
    for (;;) {
      const frame = await this.#frame()
      if (frame === undefined) return undefined
      const [, id, data] = /^id: (\d+)\ndata: (.*)$/.exec(frame) ?? []
      if (data === undefined) continue // a sign of life
      const event: ToldEvent = JSON.parse(data)
      if (`${event.number}` !== id) throw new Error(`the event ${event.number} came as ${id}`)
      return event
    }
  }

  close(): void {
    this.#stop.abort()
  }

  async #frame(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end >= 0) {
        const frame = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + 2)
        return frame
      }
      const { value, done } = await this.#chunks.read()
      if (done) return undefined
      this.#text += value
    }
  }
}
