import { CoweaveError } from '../../model/errors.ts'
import { HISTORY_FORGOTTEN } from '../../persistence/retention.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Durability } from '../documents/durability.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import type { EventTail } from './event-tail.ts'
import { frame, type StreamSource } from './sse.ts'

/** Read at once of the log, with the row that takes it over either of these. */
const PAGE_ROWS = 200
const PAGE_BYTES = 256 * 1024
const PAGE_EVENTS = 100
/** Clients whose presence one frame tells. */
const PAGE_CLIENTS = 100
const VERSION_NAMED = 'version.named'
const MESSAGE_CREATED = 'message.created'

/** Up to where a reader has a document: the position of the last update, and the number of the last event. */
export interface DocumentPlace {
  readonly position: number
  readonly event: number
}

export interface DocumentSourceOptions {
  readonly log: UpdateLog
  readonly durability: Durability
  readonly tail: EventTail
  readonly open: OpenDocument
  readonly after: DocumentPlace
}

/** As it stands in `Last-Event-ID`. */
export function placeText({ position, event }: DocumentPlace): string {
  return `${position}-${event}`
}

/**
 * What happens in one open document: its updates, read from the log as it has them committed; messages and named versions,
 * by the events of them; and presence, as it is when it is told, whatever changed meanwhile.
 */
export class DocumentSource implements StreamSource {
  readonly #options: DocumentSourceOptions
  readonly #presence: Set<number>
  readonly #stops: (() => void)[] = []
  #position: number
  #event: number
  #isBegun = false
  #isBehind = true
  #isOver = false
  #eventVersion: number
  #wake = () => {}

  constructor(options: DocumentSourceOptions) {
    this.#options = options
    const { open, after, durability, tail } = options
    this.#position = after.position
    this.#event = after.event
    this.#eventVersion = tail.bus.version
    const { ydoc } = open
    const { awareness } = ydoc
    this.#presence = new Set(awareness.states.keys())
    const onPresence = ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
      for (const client of [...added, ...updated, ...removed]) this.#presence.add(client)
      this.#wake()
    }
    const onChange = () => {
      if (this.#hasRows) this.#wake()
    }
    const onEnd = () => {
      this.#isOver = true
      this.#wake()
    }
    awareness.on('change', onPresence)
    ydoc.on('afterTransaction', onChange)
    ydoc.on('destroy', onEnd)
    this.#stops.push(
      durability.onCommit(onChange),
      () => awareness.off('change', onPresence),
      () => ydoc.off('afterTransaction', onChange),
      () => ydoc.off('destroy', onEnd),
    )
  }

  get isOver(): boolean {
    return this.#isOver || this.#options.tail.bus.isClosed
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  async read(): Promise<string> {
    const begin = this.#isBegun ? '' : this.#frame('begin', { position: this.#position })
    this.#isBegun = true
    const rows = this.#isBehind || this.#hasRows ? await this.#readRows() : ''
    this.#isBehind = rows !== '' // until all that was there is read
    return begin + rows + (await this.#readEvents()) + (await this.#readPresence())
  }

  async next(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const { bus } = this.#options.tail
    const woken = Promise.withResolvers<boolean>()
    this.#wake = () => woken.resolve(true)
    if (this.#hasNews) return true
    const done = new AbortController()
    const happened = bus
      .next(this.#eventVersion, timeoutMs, AbortSignal.any([signal, done.signal]))
      .then(() => this.#hasNews)
    try {
      return await Promise.race([woken.promise, happened])
    } finally {
      done.abort()
      this.#wake = () => {}
    }
  }

  get #hasRows(): boolean {
    return this.#options.open.cursor.position > this.#position
  }

  get #hasNews(): boolean {
    return (
      this.isOver || this.#hasRows || this.#presence.size > 0 || this.#options.tail.bus.version !== this.#eventVersion
    )
  }

  async #readRows(): Promise<string> {
    try {
      return await this.#readPage()
    } catch (error) {
      const { log, open } = this.#options
      const isForgotten = error instanceof CoweaveError && error.code === HISTORY_FORGOTTEN
      const base = isForgotten ? await log.retention.historyBase(open.name) : undefined
      if (base === undefined) throw error
      // All that is left of what the reader has not seen.
      const { position, at, state } = base
      this.#position = position
      return this.#update({ position, at, data: state })
    }
  }

  async #readPage(): Promise<string> {
    const { log, open } = this.#options
    const frames: string[] = []
    let bytes = 0
    for await (const { position, at, author, data } of log.read(open.name, this.#position)) {
      this.#position = position
      frames.push(this.#update({ position, at, author, data }))
      bytes += data.length
      if (frames.length >= PAGE_ROWS || bytes >= PAGE_BYTES) break
    }
    return frames.join('')
  }

  #update({ data, ...row }: { position: number; at: number; author?: string; data: Uint8Array }): string {
    return this.#frame('update', { ...row, update: Buffer.from(data).toString('base64') })
  }

  async #readEvents(): Promise<string> {
    const { tail, open, log } = this.#options
    const frames: string[] = []
    for (;;) {
      this.#eventVersion = tail.bus.version
      const page = await tail.read(this.#event, PAGE_EVENTS)
      if (page.length === 0) break
      for (const event of page) {
        this.#event = event.number
        if (event.document !== open.name) continue
        const { id } = JSON.parse(event.json)
        if (event.kind === VERSION_NAMED) {
          const version = (await log.versions.list(open.name)).find((one) => one.id === id)
          if (version !== undefined) frames.push(this.#frame('version', version))
        } else if (event.kind === MESSAGE_CREATED) {
          const message = await log.messages.find(open.name, String(id))
          if (message !== undefined) frames.push(this.#frame('message', JSON.parse(message.json)))
        }
      }
      if (frames.length > 0) break
    }
    return frames.join('')
  }

  async #readPresence(): Promise<string> {
    const clients = [...this.#presence].slice(0, PAGE_CLIENTS)
    if (clients.length === 0) return ''
    for (const client of clients) this.#presence.delete(client)
    const { states } = this.#options.open.ydoc.awareness
    const frames = frame({
      name: 'presence',
      data: { states: clients.map((client) => ({ client, state: states.get(client) ?? null })) },
    })
    // It may tell of a place in what is not committed yet.
    await this.#options.durability.settled()
    return this.#isOver ? '' : frames
  }

  #frame(name: string, data: object): string {
    return frame({ id: placeText({ position: this.#position, event: this.#event }), name, data })
  }
}
