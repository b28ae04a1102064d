import { DAMAGED_EVENT, type EventStore, type StoredEvent } from '../../persistence/event-store.ts'
import { type NewDelivery, WEBHOOK_CONSUMER, type Webhook, type WebhookStore } from '../../persistence/webhook-store.ts'
import { parseGrant } from '../access/grants.ts'
import { Background, sleep } from '../events/background.ts'
import type { EventBus } from '../events/event-bus.ts'
import { EventConsumer } from '../events/event-consumer.ts'
import { HELD } from '../events/notification-events.ts'

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
export class FanOut extends Background {
  readonly #options: FanOutOptions
  readonly #consumer: EventConsumer

  constructor(options: FanOutOptions) {
    super()
    this.#options = options
    const { events, bus, onProblem } = options
    this.#consumer = new EventConsumer({
      name: WEBHOOK_CONSUMER,
      events,
      bus,
      handle: (page, owner) => this.#queue(page, owner),
      onProblem,
    })
  }

  override async stop(): Promise<void> {
    await super.stop()
    await this.#consumer.stop()
  }

  protected override async run(stopping: AbortSignal): Promise<void> {
    const { webhooks, onProblem } = this.#options
    while (!stopping.aborted) {
      try {
        if ((await webhooks.list()).length > 0) return this.#consumer.start()
      } catch (error) {
        onProblem(error)
      }
      await sleep(LOOK_MS, stopping)
    }
  }

  async #queue(page: readonly StoredEvent[], owner: string): Promise<number> {
    const { onQueued } = this.#options
    const webhooks = await this.#options.webhooks.list()
    const last = page.at(-1)?.number ?? 0
    const deliveries = deliveriesOf(page, webhooks)
    if (deliveries.length > 0) {
      await this.#options.webhooks.enqueue(deliveries, { consumer: WEBHOOK_CONSUMER, owner, last, now: Date.now() })
      onQueued()
    }
    return doneUpTo(last, webhooks)
  }
}

/** Up to where no webhook is to be told of more: where the first one comes late, that is behind many events. */
export function doneUpTo(last: number, webhooks: readonly Pick<Webhook, 'after'>[]): number {
  return webhooks.length === 0 ? last : Math.max(last, Math.min(...webhooks.map(({ after }) => after)))
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
  const isOfKind = (kind: string) => kind !== HELD && (kinds.length === 0 || kinds.includes(kind))
  const isOfDocument = (document: string) => pattern === undefined || (document !== '' && pattern.matches(document))
  // A damaged one may have been wanted: so it is among those that were not delivered.
  return ({ number, kind, document }) =>
    number > after && (kind === DAMAGED_EVENT || (isOfKind(kind) && isOfDocument(document)))
}
