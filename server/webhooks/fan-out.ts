import { setTimeout } from 'node:timers/promises'
import type { EventStore, StoredEvent } from '../../persistence/event-store.ts'
import { type NewDelivery, WEBHOOK_CONSUMER, type Webhook, type WebhookStore } from '../../persistence/webhook-store.ts'
import { parseGrant } from '../access/grants.ts'
import type { EventBus } from '../events/event-bus.ts'
import { EventConsumer } from '../events/event-consumer.ts'

/** How often it is looked for a first webhook. */
const LOOK_MS = 2_000

export interface FanOutOptions {
  readonly webhooks: WebhookStore
  readonly events: EventStore
  readonly bus: EventBus
  readonly onQueued: () => void
  readonly onProblem: (error: unknown) => void
}

/** Makes deliveries of events, on one instance at a time, each event once. Nothing happens where there are no webhooks. */
export class FanOut {
  readonly #options: FanOutOptions
  readonly #consumer: EventConsumer
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: FanOutOptions) {
    this.#options = options
    const { events, bus, onProblem } = options
    this.#consumer = new EventConsumer({
      name: WEBHOOK_CONSUMER,
      events,
      bus,
      handlePage: (page, owner) => this.#queue(page, owner),
      onProblem,
    })
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await this.#consumer.stop()
  }

  async #run(): Promise<void> {
    const { webhooks, onProblem } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        if ((await webhooks.list()).length > 0) return this.#consumer.start()
      } catch (error) {
        onProblem(error)
      }
      await setTimeout(LOOK_MS, undefined, { signal, ref: false }).catch(() => {}) // it stops
    }
  }

  async #queue(page: readonly StoredEvent[], owner: string): Promise<void> {
    const { webhooks, onQueued } = this.#options
    const last = page.at(-1)?.number
    const deliveries = deliveriesOf(page, await webhooks.list())
    if (last === undefined || deliveries.length === 0) return
    await webhooks.enqueue(deliveries, { consumer: WEBHOOK_CONSUMER, owner, last, now: Date.now() })
    onQueued()
  }
}

/** What webhooks are to be told of these events. */
export function deliveriesOf(events: readonly StoredEvent[], webhooks: readonly Webhook[]): NewDelivery[] {
  return webhooks.flatMap((webhook) => {
    const isWanted = wantedBy(webhook)
    return events.filter(isWanted).map(({ number, document }) => ({ webhook: webhook.id, event: number, document }))
  })
}

function wantedBy({ after, kinds, documents }: Webhook): (event: StoredEvent) => boolean {
  const pattern = documents === undefined ? undefined : parseGrant(documents, 'read')
  return ({ number, kind, document }) =>
    number > after &&
    (kinds.length === 0 || kinds.includes(kind)) &&
    (pattern === undefined || (document !== '' && pattern.matches(document)))
}
