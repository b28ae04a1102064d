import type { EventStore, StoredEvent } from '../../persistence/event-store.ts'
import type { EventBus } from './event-bus.ts'

/** Of the newest events, kept for many streams at once. */
const MAX_EVENTS = 1_000
const MAX_LENGTH = 4 * 1024 * 1024
const PAGE_EVENTS = 500

/**
 * The newest events, read from the log once for however many streams wait for them. Who is further behind reads the log
 * itself.
 */
export class EventTail {
  readonly #events: Pick<EventStore, 'read' | 'last'>
  readonly bus: EventBus
  #recent: StoredEvent[] = []
  #length = 0
  /** All events above it, up to `#last`, are in `#recent`. */
  #start: number | undefined
  #last = 0
  #version = -1
  #refreshing: Promise<void> | undefined

  constructor({ events, bus }: { readonly events: Pick<EventStore, 'read' | 'last'>; readonly bus: EventBus }) {
    this.#events = events
    this.bus = bus
  }

  /** The number of the last event there is. @throws {StorageError} */
  async last(): Promise<number> {
    await this.#refresh()
    return this.#last
  }

  /** Events above `after`, lowest first; there may be more unless there are none. @throws {StorageError} */
  async read(after: number, limit: number): Promise<StoredEvent[]> {
    await this.#refresh()
    if (this.#start === undefined || after < this.#start) return await this.#events.read({ after, limit })
    if (after >= this.#last) return []
    const first = this.#recent.findIndex(({ number }) => number > after)
    return first === -1 ? [] : this.#recent.slice(first, first + limit)
  }

  async #refresh(): Promise<void> {
    const { version } = this.bus
    // What another stream is just reading may have been read before what this one was woken for.
    while (this.#version < version) {
      this.#refreshing ??= this.#readNew().finally(() => {
        this.#refreshing = undefined
      })
      await this.#refreshing
    }
  }

  async #readNew(): Promise<void> {
    const { version } = this.bus
    if (this.#start === undefined) {
      this.#last = await this.#events.last()
      this.#start = this.#last
    } else {
      for (;;) {
        const page = await this.#events.read({ after: this.#last, limit: PAGE_EVENTS })
        const [end] = page.slice(-1)
        if (end === undefined) break
        for (const event of page) this.#add(event)
        this.#last = end.number
      }
    }
    this.#version = version
  }

  #add(event: StoredEvent): void {
    this.#recent.push(event)
    this.#length += lengthOf(event)
    while (this.#recent.length > MAX_EVENTS || this.#length > MAX_LENGTH) {
      const oldest = this.#recent.shift()
      if (oldest === undefined) return
      this.#length -= lengthOf(oldest)
      this.#start = oldest.number
    }
  }
}

function lengthOf({ json, users }: StoredEvent): number {
  return users.reduce((sum, user) => sum + user.length + 16, json.length + 200)
}
