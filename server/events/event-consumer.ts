import { randomUUID } from 'node:crypto'
import type { EventStore, StoredEvent } from '../../persistence/event-store.ts'
import { Background, sleep } from './background.ts'
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
   * Called with events in their order, and with who this instance is for the log, so that what is made of them can be
   * stored in the commit that writes down that they are handled. Gives the number up to which there is nothing more to do.
   * Rejected, it is called again with the same events: each is handled at least once, and mostly once.
   */
  readonly handle: (events: readonly StoredEvent[], owner: string) => Promise<number>
  readonly onProblem: (error: unknown) => void
}

/**
 * Handles all events, on one instance at a time. How far it is stands in the database: after a crash another instance goes
 * on within 10 s, and may handle again what the crashed one had not written down. Events that are older than EVENT_DAYS
 * are gone, handled or not.
 */
export class EventConsumer extends Background {
  readonly #options: EventConsumerOptions
  readonly #owner = randomUUID()

  constructor(options: EventConsumerOptions) {
    super()
    this.#options = options
  }

  protected override async run(stopping: AbortSignal): Promise<void> {
    const { name, events, bus, handle, onProblem } = this.#options
    const owner = this.#owner
    while (!stopping.aborted && !bus.isClosed) {
      const { version } = bus
      try {
        const after = await events.claim(name, { owner, forMs: LEASE_MS })
        const page = after === undefined ? [] : await events.read({ after, limit: PAGE_EVENTS })
        if (page.length > 0) await events.pass(name, { owner, last: await handle(page, owner) })
        else await bus.next(version, RENEW_MS, stopping)
      } catch (error) {
        onProblem(error)
        await sleep(RETRY_MS, stopping)
      }
    }
    // If it can't be told, others wait until the lease is over.
    await events.release(name, owner).catch(onProblem)
  }
}
