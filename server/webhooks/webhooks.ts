import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { EventStore } from '../../persistence/event-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Webhook } from '../../persistence/webhook-store.ts'
import { type Config, webhookOf } from '../config.ts'
import type { EventBus } from '../events/event-bus.ts'
import { FanOut } from './fan-out.ts'
import { Sender, type SenderOptions } from './sender.ts'
import { newSecret } from './signature.ts'

export const MAX_WEBHOOKS = 100
/** The id of the one that the settings have. */
const SETTING = 'setting'

export interface WebhooksOptions extends SenderOptions {
  readonly events: EventStore
  readonly bus: EventBus
  /** WEBHOOK_URL and WEBHOOK_SECRET. */
  readonly setting: { readonly url: string; readonly secret: string } | undefined
}

interface WebhookParts {
  readonly log: UpdateLog
  readonly bus: EventBus
  readonly logger: Logger
}

/** Webhooks that are ready to start, with that of the settings. @throws {StorageError} */
export async function openWebhooks(config: Config, { log, bus, logger }: WebhookParts): Promise<Webhooks> {
  const webhooks = new Webhooks({
    webhooks: log.webhooks,
    events: log.events,
    bus,
    setting: webhookOf(config),
    privateHosts: config.WEBHOOK_PRIVATE_HOSTS,
    timeoutMs: config.WEBHOOK_TIMEOUT,
    firstRetryMs: config.WEBHOOK_RETRY_DELAY,
    retryForMs: config.WEBHOOK_RETRY_TIME,
    logger,
  })
  await webhooks.prepare()
  return webhooks
}

export type NewWebhook = Pick<Webhook, 'url' | 'kinds' | 'documents'>

/** Tells products of events at URLs that they registered, from then on. */
export class Webhooks {
  readonly sender: Sender
  readonly #options: WebhooksOptions
  readonly #fanOut: FanOut

  constructor(options: WebhooksOptions) {
    const { webhooks, events, bus, logger } = options
    this.#options = options
    this.sender = new Sender(options)
    this.#fanOut = new FanOut({
      webhooks,
      events,
      bus,
      onQueued: () => this.sender.look(),
      onProblem: (error) => logger.warn({ error }, 'events can not be queued for webhooks now'),
    })
  }

  /** Registers the webhook of the settings, or ends the one that they had. @throws {StorageError} */
  async prepare(): Promise<void> {
    const { webhooks, setting } = this.#options
    const known = (await webhooks.list()).find(({ id }) => id === SETTING)
    if (setting === undefined) {
      if (known !== undefined) await webhooks.remove(SETTING)
    } else if (known?.url !== setting.url || known.secret !== setting.secret) {
      await this.#put({ id: SETTING, ...setting, kinds: [], documents: undefined }, MAX_WEBHOOKS + 1)
    }
  }

  start(): void {
    this.#fanOut.start()
    this.sender.start()
  }

  async stop(): Promise<void> {
    await Promise.all([this.#fanOut.stop(), this.sender.stop()])
  }

  /** Whether it is the webhook of the settings, which would be there again after the next start. */
  isSetting(id: string): boolean {
    return id === SETTING && this.#options.setting !== undefined
  }

  /** Undefined where there are MAX_WEBHOOKS. @throws {StorageError} */
  async register(wanted: NewWebhook): Promise<Webhook | undefined> {
    return await this.#put({ id: randomUUID(), secret: newSecret(), ...wanted }, MAX_WEBHOOKS)
  }

  async #put(wanted: Omit<Webhook, 'at' | 'after'>, max: number): Promise<Webhook | undefined> {
    const { webhooks, events } = this.#options
    const webhook = { ...wanted, at: Date.now(), after: await events.last() }
    return (await webhooks.put(webhook, { max })) ? webhook : undefined
  }
}
