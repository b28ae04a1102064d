import type { Logger } from 'pino'
import { damageOf, type EventStore } from '../../persistence/event-store.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { Backlog, Delivery, DeliveryOutcome, Webhook, WebhookStore } from '../../persistence/webhook-store.ts'
import { sleep } from '../events/background.ts'
import { Dispatcher } from '../events/dispatcher.ts'
import { toldEvent } from '../events/event-stream.ts'
import { type PostAnswer, type PostOptions, postWebhook } from './post.ts'

/** Deliveries under way at once, to all webhooks and to one: a receiver that hangs leaves room for the others. */
const MAX_IN_FLIGHT = 64
const MAX_PER_WEBHOOK = 8
const LONGEST_RETRY_MS = 60 * 60 * 1000
const POLL_MS = 1_000
/** How old its figures of what waits may be. */
const COUNT_MS = 10_000

export interface SenderOptions extends PostOptions {
  readonly webhooks: WebhookStore
  readonly events: Pick<EventStore, 'read'>
  /** After the first attempt that failed, and twice that after the next. */
  readonly firstRetryMs: number
  /** A delivery that fails when it was tried for so long is dead. */
  readonly retryForMs: number
  readonly logger: Logger
}

export interface DeliveryCounts {
  delivered: number
  failed: number
  dead: number
}

/**
 * Posts what webhooks are still to be told of. A delivery is claimed before it is posted, so that one instance does it,
 * and another one where that crashed; the next one of its document can be claimed once it is over.
 */
export class Sender extends Dispatcher<DeliveryOutcome> {
  /** What all instances are still to post, as it was some seconds ago. */
  backlog: Backlog = { deliveries: 0, since: undefined }
  readonly counts: DeliveryCounts = { delivered: 0, failed: 0, dead: 0 }
  readonly #options: SenderOptions
  /** How many are under way to each webhook that has some. */
  readonly #busy = new Map<string, number>()
  /** Aborted once there may be something to post. */
  #news = new AbortController()

  constructor(options: SenderOptions) {
    super()
    this.#options = options
  }

  /** There may be something to post. */
  look(): void {
    this.#news.abort()
  }

  override async stop(): Promise<void> {
    const stopped = super.stop()
    this.look()
    await stopped
  }

  protected override async run(stopping: AbortSignal): Promise<void> {
    const { webhooks, logger } = this.#options
    let countedAt = Number.NEGATIVE_INFINITY
    while (!stopping.aborted) {
      this.#news = new AbortController()
      try {
        const due = await webhooks.due(Date.now())
        if (due.length > 0) await this.#claim(due)
        if (performance.now() >= countedAt + COUNT_MS) {
          this.backlog = await webhooks.backlog()
          countedAt = performance.now()
        }
      } catch (error) {
        logger.warn({ error }, 'deliveries to webhooks can not be read or written now')
      }
      await sleep(POLL_MS, this.#news.signal)
    }
  }

  protected override write(outcomes: readonly DeliveryOutcome[]): Promise<void> {
    return this.#options.webhooks.settle(outcomes, { now: Date.now() })
  }

  async #claim(due: readonly string[]): Promise<void> {
    const { webhooks, timeoutMs } = this.#options
    const limits = this.#limits(due)
    if (limits.length === 0) return
    // First: what is claimed and can't be posted, as one of them is damaged, would have been tried.
    const known = new Map((await webhooks.list()).map((webhook) => [webhook.id, webhook]))
    const now = Date.now()
    for (const delivery of await webhooks.claim({ now, until: now + 2 * timeoutMs, limits })) {
      const webhook = known.get(delivery.webhook)
      if (webhook === undefined) continue // it has ended, with all of its deliveries
      this.#addBusy(webhook.id, 1)
      this.begin(this.#post(delivery, webhook))
    }
  }

  /** How many may be claimed of each; those that have the least under way come first. */
  #limits(due: readonly string[]): { webhook: string; limit: number }[] {
    let room = MAX_IN_FLIGHT - this.underWay.size
    const limits: { webhook: string; limit: number }[] = []
    for (const webhook of due.toSorted((one, other) => this.#busyOf(one) - this.#busyOf(other))) {
      const limit = Math.min(room, MAX_PER_WEBHOOK - this.#busyOf(webhook))
      if (limit <= 0) continue
      room -= limit
      limits.push({ webhook, limit })
    }
    return limits
  }

  #busyOf(webhook: string): number {
    return this.#busy.get(webhook) ?? 0
  }

  #addBusy(webhook: string, more: number): void {
    const busy = this.#busyOf(webhook) + more
    if (busy > 0) this.#busy.set(webhook, busy)
    else this.#busy.delete(webhook)
  }

  async #post(delivery: Delivery, webhook: Webhook): Promise<void> {
    try {
      await this.#deliver(delivery, webhook)
    } catch (error) {
      // It is claimed again, and posted once more.
      this.#options.logger.warn({ error }, 'it could not be written down what became of a delivery')
    }
    this.#addBusy(webhook.id, -1)
    this.look()
  }

  async #deliver(delivery: Delivery, webhook: Webhook): Promise<void> {
    const told = await this.#read(delivery.event)
    if ('problem' in told) return this.settle(this.#dead(delivery, told.problem))
    const answer = await postWebhook(webhook, told, this.#options, this.cutOff)
    await this.settle(this.#outcomeOf(delivery, answer))
  }

  async #read(number: number): Promise<{ id: string; body: string } | { problem: string }> {
    try {
      const [event] = await this.#options.events.read({ after: number - 1, limit: 1 })
      if (event?.number !== number) return { problem: 'the event is not kept any more' }
      const damage = damageOf(event)
      if (damage !== undefined) return { problem: damage.message }
      return { id: event.id, body: JSON.stringify(toldEvent(event)) }
    } catch (error) {
      if (error instanceof StorageError && error.code === 'storage/corrupt') return { problem: error.message }
      throw error
    }
  }

  #outcomeOf(delivery: Delivery, answer: PostAnswer): DeliveryOutcome {
    const { webhook, event, attempts, at } = delivery
    const now = Date.now()
    if (answer.isTaken) {
      this.counts.delivered += 1
      return { webhook, event, became: 'done', dueAt: now, problem: '' }
    }
    const { problem, afterMs = 0 } = answer
    if (this.cutOff.aborted) return { webhook, event, became: 'again', dueAt: now, problem: '' }
    this.counts.failed += 1
    const { firstRetryMs, retryForMs } = this.#options
    if (now >= at + retryForMs) return this.#dead(delivery, problem)
    const waitMs = Math.max(backOffMs(attempts, firstRetryMs), Math.min(afterMs, LONGEST_RETRY_MS))
    // The last attempt comes at the end of the time.
    return { webhook, event, became: 'again', dueAt: Math.min(now + waitMs, at + retryForMs), problem }
  }

  #dead({ webhook, event, attempts }: Delivery, problem: string): DeliveryOutcome {
    this.counts.dead += 1
    this.#options.logger.warn({ webhook, event, problem, attempts }, 'a webhook is not told of an event any more')
    return { webhook, event, became: 'dead', dueAt: 0, problem }
  }
}

/** Longer each time, and not all at once. */
function backOffMs(attempts: number, firstMs: number): number {
  return Math.min(firstMs * 2 ** (attempts - 1), LONGEST_RETRY_MS) * (0.75 + Math.random() / 4)
}
