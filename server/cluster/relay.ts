import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { RedisLink } from './redis-link.ts'
import type { RedisTarget } from './redis-url.ts'
import { decodeRelayMessage, encodeRelayMessage, type RelayMessage } from './relay-message.ts'

export type { RelayMessage, RelayRow } from './relay-message.ts'

/** Redis cuts off a subscriber for whom 32 MiB wait, so that a single large message would cut off everybody. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024
const SHORTEST_DELAY_MS = 50
const LONGEST_DELAY_MS = 1_500
const PROBLEM_INTERVAL_MS = 60_000

export interface RelayOptions {
  readonly redis: RedisTarget
  /** The id of the database: instances of another one may use the same Redis and do not hear these. */
  readonly namespace: string
  readonly logger: Logger
  /** Everything subscribed to arrives from now on. */
  readonly onUp: () => void
  /** From now on, and perhaps for some seconds already, nothing arrives. */
  readonly onDown?: () => void
}

type Listener = (message: RelayMessage) => void

/**
 * Tells the other instances, through Redis, what happened here. It is a shortcut and promises nothing: what is published
 * while Redis is away is dropped, and whoever hears must be able to do without. What is heard is never published again.
 */
export class Relay {
  readonly #options: RelayOptions
  readonly #self = randomBytes(16)
  /** By channel. */
  readonly #listeners = new Map<string, Listener>()
  #link: RedisLink | undefined
  #attempts = 0
  #failures = 0
  #wasUp = false
  #retry: NodeJS.Timeout | undefined
  #isClosed = false
  #complainedAt = Number.NEGATIVE_INFINITY

  constructor(options: RelayOptions) {
    this.#options = options
    this.#connect()
  }

  /** Whether what is published arrives, as far as one can know: Redis answered within the last seconds. */
  get isUp(): boolean {
    return this.#link?.isUp ?? false
  }

  /**
   * Has `listener` called with what other instances publish to the topic; it takes the place of an earlier one. Resolves
   * once messages arrive, or at once while Redis is away: then they arrive before `onUp` is called. Never rejects.
   */
  async subscribe(topic: string, listener: Listener): Promise<void> {
    const channel = this.#channelOf(topic)
    this.#listeners.set(channel, listener)
    await this.#link?.subscribe(channel)
  }

  unsubscribe(topic: string): void {
    const channel = this.#channelOf(topic)
    if (this.#listeners.delete(channel)) this.#link?.unsubscribe(channel)
  }

  /**
   * To all other instances that have subscribed to the topic. Dropped while Redis is away. Of updates that are too large
   * only the last position is told, and what else is too large is dropped.
   */
  publish(topic: string, message: RelayMessage): void {
    if (!this.isUp) return
    const bytes = encodeRelayMessage(this.#self, message)
    if (bytes.length <= MAX_MESSAGE_BYTES) {
      this.#link?.publish(this.#channelOf(topic), bytes)
    } else if (message.kind === 'updates') {
      this.publish(topic, { kind: 'stored', last: message.first + message.rows.length - 1 })
    } else {
      this.#complain({ topic, kind: message.kind, bytes: bytes.length }, 'a message to other instances is too large')
    }
  }

  /** Sends what was published before, if Redis is there, and neither hears nor calls anything afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.#listeners.clear()
    await this.#link?.close()
  }

  #connect(): void {
    this.#link = new RedisLink({
      target: this.#options.redis,
      attempt: this.#attempts++,
      channels: () => this.#listeners.keys(),
      onMessage: (channel, message) => this.#hear(channel, message),
      onUp: () => this.#up(),
      onEnd: (reason) => this.#down(reason),
    })
  }

  #up(): void {
    if (this.#isClosed) return
    this.#wasUp = true
    this.#failures = 0
    this.#options.logger.info('Redis is there: other instances hear of changes at once')
    this.#options.onUp()
  }

  #down(reason: string): void {
    if (this.#isClosed) return
    const { logger, onDown } = this.#options
    const wasUp = this.#wasUp
    this.#wasUp = false
    logger[this.#failures === 0 ? 'warn' : 'debug'](
      { reason },
      'Redis is away: other instances read changes from the log, later',
    )
    // Not all instances at once, and not in step.
    const delayMs = Math.min(SHORTEST_DELAY_MS * 2 ** this.#failures, LONGEST_DELAY_MS) * (0.5 + Math.random() / 2)
    this.#failures += 1
    this.#retry = setTimeout(() => this.#connect(), delayMs)
    if (wasUp) onDown?.()
  }

  #hear(channel: string, bytes: Uint8Array): void {
    const listener = this.#listeners.get(channel)
    if (listener === undefined) return
    try {
      const message = decodeRelayMessage(this.#self, bytes)
      if (message !== undefined) listener(message)
    } catch (error) {
      this.#complain({ error, channel }, 'a message of another instance could not be used')
    }
  }

  #complain(details: object, problem: string): void {
    const now = performance.now()
    if (now - this.#complainedAt < PROBLEM_INTERVAL_MS) return
    this.#complainedAt = now
    this.#options.logger.warn(details, problem)
  }

  #channelOf(topic: string): string {
    return `coweave:topic:${encodeURIComponent(this.#options.namespace)}:${topic}`
  }
}
