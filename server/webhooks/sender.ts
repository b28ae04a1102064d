import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { EventStore } from '../../persistence/event-store.ts'
import { StorageError } from '../../persistence/storage-error.ts'
import type { Delivery, DeliveryOutcome, Webhook, WebhookStore } from '../../persistence/webhook-store.ts'
import { toldEvent } from '../events/event-stream.ts'
import { type PostAnswer, type PostOptions, postWebhook } from './post.ts'

/** Deliveries under way at once, to all webhooks and to one: a receiver that hangs leaves room for the others. */
const MAX_IN_FLIGHT = 64
const MAX_PER_WEBHOOK = 8
const LONGEST_RETRY_MS = 60 * 60 * 1000
const POLL_MS = 1_000
/** How long deliveries under way may go on once the server stops. */
const STOP_MS = 3_000

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
export class Sender {
  readonly counts: DeliveryCounts = { delivered: 0, failed: 0, dead: 0 }
  readonly #options: SenderOptions
  readonly #stopping = new AbortController()
  readonly #cutOff = new AbortController()
  readonly #inFlight = new Map<Promise<void>, string>()
  #running: Promise<void> | undefined
  #outcomes: DeliveryOutcome[] = []
  #writing: Promise<void> = Promise.resolve()
  #nextWriting: Promise<void> | undefined
  #wake = () => {}
  #isWanted = false

  constructor(options: SenderOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** There may be something to post. */
  look(): void {
    this.#isWanted = true
    this.#wake()
  }

  /** Claims nothing more, and resolves once what is under way is over, or is left to others. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake()
    await this.#running
    const sent = Promise.all(this.#inFlight.keys())
    await Promise.race([sent, setTimeout(STOP_MS, undefined, { ref: false })])
    this.#cutOff.abort()
    await sent
  }

  async #run(): Promise<void> {
    const { webhooks, logger } = this.#options
    while (!this.#stopping.signal.aborted) {
      this.#isWanted = false
      try {
        const due = await webhooks.due(Date.now())
        if (due.length > 0) await this.#claim(due)
      } catch (error) {
        logger.warn({ error }, 'deliveries to webhooks can not be read or written now')
      }
      if (!this.#isWanted) await this.#sleep()
    }
  }

  async #claim(due: readonly string[]): Promise<void> {
    const { webhooks, timeoutMs } = this.#options
    const limits = this.#limits(due)
    if (limits.length === 0) return
    const now = Date.now()
    const claimed = await webhooks.claim({ now, until: now + 2 * timeoutMs, limits })
    if (claimed.length === 0) return
    const known = new Map((await webhooks.list()).map((webhook) => [webhook.id, webhook]))
    for (const delivery of claimed) {
      const webhook = known.get(delivery.webhook)
      if (webhook === undefined) continue // it has ended, with all of its deliveries
      const sending = this.#deliver(delivery, webhook)
        .catch((error: unknown) => {
          // It is claimed again, and posted once more.
          this.#options.logger.warn({ error }, 'it could not be written down what became of a delivery')
        })
        .finally(() => {
          this.#inFlight.delete(sending)
          this.look()
        })
      this.#inFlight.set(sending, webhook.id)
    }
  }

  /** How many may be claimed of each; those that have the least under way come first. */
  #limits(due: readonly string[]): { webhook: string; limit: number }[] {
    const underWay = new Map<string, number>()
    for (const id of this.#inFlight.values()) underWay.set(id, (underWay.get(id) ?? 0) + 1)
    let room = MAX_IN_FLIGHT - this.#inFlight.size
    const limits: { webhook: string; limit: number }[] = []
    for (const webhook of due.toSorted((one, other) => (underWay.get(one) ?? 0) - (underWay.get(other) ?? 0))) {
      const limit = Math.min(room, MAX_PER_WEBHOOK - (underWay.get(webhook) ?? 0))
      if (limit <= 0) continue
      room -= limit
      limits.push({ webhook, limit })
    }
    return limits
  }

  async #deliver(delivery: Delivery, webhook: Webhook): Promise<void> {
    const told = await this.#read(delivery.event)
    if ('problem' in told) return this.#settle({ ...delivery, became: 'dead', dueAt: 0, problem: told.problem })
    const answer = await postWebhook(webhook, told, this.#options, this.#cutOff.signal)
    await this.#settle(this.#outcomeOf(delivery, answer))
  }

  async #read(number: number): Promise<{ id: string; body: string } | { problem: string }> {
    try {
      const [event] = await this.#options.events.read({ after: number - 1, limit: 1 })
      if (event?.number !== number) return { problem: 'the event is not kept any more' }
      return { id: event.id, body: JSON.stringify(toldEvent(event)) }
    } catch (error) {
      if (error instanceof StorageError && error.code === 'storage/corrupt') return { problem: error.message }
      throw error
    }
  }

  #outcomeOf({ webhook, event, attempts, at }: Delivery, answer: PostAnswer): DeliveryOutcome {
    const now = Date.now()
    if (answer.isTaken) {
      this.counts.delivered += 1
      return { webhook, event, became: 'done', dueAt: now, problem: '' }
    }
    const { problem, afterMs = 0 } = answer
    if (this.#cutOff.signal.aborted) return { webhook, event, became: 'again', dueAt: now, problem: '' }
    this.counts.failed += 1
    const { firstRetryMs, retryForMs, logger } = this.#options
    if (now < at + retryForMs) {
      const waitMs = Math.max(backOffMs(attempts, firstRetryMs), Math.min(afterMs, LONGEST_RETRY_MS))
      // The last attempt comes at the end of the time.
      return { webhook, event, became: 'again', dueAt: Math.min(now + waitMs, at + retryForMs), problem }
    }
    this.counts.dead += 1
    logger.warn({ webhook, event, problem, attempts }, 'a webhook did not take an event, and is not asked again')
    return { webhook, event, became: 'dead', dueAt: 0, problem }
  }

  /** Resolves once it is written. What comes while another write is under way is written together. */
  #settle({ webhook, event, became, dueAt, problem }: DeliveryOutcome): Promise<void> {
    this.#outcomes.push({ webhook, event, became, dueAt, problem })
    this.#nextWriting ??= this.#writing.catch(() => {}).then(() => this.#write())
    return this.#nextWriting
  }

  async #write(): Promise<void> {
    const outcomes = this.#outcomes
    this.#outcomes = []
    this.#nextWriting = undefined
    this.#writing = this.#options.webhooks.settle(outcomes, { now: Date.now() })
    await this.#writing
  }

  async #sleep(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    if (this.#stopping.signal.aborted || this.#isWanted) return
    const timer = globalThis.setTimeout(resolve, POLL_MS).unref()
    await promise
    clearTimeout(timer)
  }
}

/** Longer each time, and not all at once. */
function backOffMs(attempts: number, firstMs: number): number {
  return Math.min(firstMs * 2 ** (attempts - 1), LONGEST_RETRY_MS) * (0.75 + Math.random() / 4)
}
