import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { EventStore, StoredEvent } from '../../persistence/event-store.ts'
import type { EventBus } from './event-bus.ts'

/** So long after an instance crashed, another one goes on. */
const LEASE_MS = 8_000
const RENEW_MS = 2_000
const PAGE_EVENTS = 100
const RETRY_MS = 1_000

export interface EventConsumerOptions {
  /** The same on all instances. */
  readonly name: string
  readonly events: EventStore
  readonly bus: EventBus
  /**
   * Called with one event after the other, in their order. Rejected, it is called again with the same event: each is
   * handled at least once, and mostly once.
   */
  readonly handle?: (event: StoredEvent) => Promise<void>
  /**
   * In its place, called with many events at once, and with who this instance is for the log, so that what is made of them
   * can be stored in the commit that writes down that they are handled.
   */
  readonly handlePage?: (events: readonly StoredEvent[], owner: string) => Promise<void>
  readonly onProblem: (error: unknown) => void
}

/**
 * Handles all events, on one instance at a time. How far it is stands in the database: after a crash another instance goes
 * on within 10 s, and may handle again what the crashed one had not written down. Events that are older than EVENT_DAYS
 * are gone, handled or not.
 */
export class EventConsumer {
  readonly #options: EventConsumerOptions
  readonly #owner = randomUUID()
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: EventConsumerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves once the event that is being handled is, and leaves the rest to others. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { name, events, bus, onProblem } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted && !bus.isClosed) {
      const { version } = bus
      try {
        const after = await this.#claim()
        const page = after === undefined ? [] : await events.read({ after, limit: PAGE_EVENTS })
        if (page.length > 0) await this.#work(page)
        else await bus.next(version, RENEW_MS, signal)
      } catch (error) {
        onProblem(error)
        await setTimeout(RETRY_MS, undefined, { signal, ref: false }).catch(() => {}) // it stops
      }
    }
    // If it can't be told, others wait until the lease is over.
    await events.release(name, this.#owner).catch(onProblem)
  }

  #claim(): Promise<number | undefined> {
    return this.#options.events.claim(this.#options.name, { owner: this.#owner, forMs: LEASE_MS })
  }

  async #work(page: readonly StoredEvent[]): Promise<void> {
    const { name, events, handle, handlePage, onProblem } = this.#options
    // An event may take longer to handle than the lease is.
    let isOurs = true
    const renew = async () => {
      isOurs = (await this.#claim()) !== undefined
    }
    const renewing = setInterval(() => void renew().catch(onProblem), RENEW_MS)
    let last: number | undefined
    try {
      await handlePage?.(page, this.#owner)
      for (const event of page) {
        if (!isOurs || this.#stopping.signal.aborted) break
        await handle?.(event)
        last = event.number
      }
    } finally {
      clearInterval(renewing)
      if (last !== undefined) await events.pass(name, { owner: this.#owner, last })
    }
  }
}
