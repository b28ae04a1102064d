import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { connectOnce } from './redis-connections.ts'
import type { RedisTarget } from './redis-url.ts'

const BEAT_INTERVAL_MS = 1_000
const LONGEST_SILENCE_MS = 2_500
/** How long the first beat may take, with names to look up and sentinels to ask. */
const CONNECT_TIMEOUT_MS = 5_000
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** What a command that waits costs beside its message. */
const COMMAND_BYTES = 256
const CHANNELS_PER_COMMAND = 1_000
const CLOSE_TIMEOUT_MS = 1_000

export interface RedisLinkOptions {
  readonly target: RedisTarget
  /** Counts up, so that each attempt begins with another one of several nodes. */
  readonly attempt: number
  /** What to subscribe to before it is up. */
  readonly channels: () => Iterable<string>
  readonly onMessage: (channel: string, message: Uint8Array) => void
  readonly onUp: () => void
  /** Once, whether it was up or not, unless it was closed. Nothing comes after it. */
  readonly onEnd: (reason: string) => void
}

/**
 * A connection that publishes and one that subscribes, for as long as both work, which a beat shows that goes out through
 * the one and comes back through the other. What has failed is not mended: make another link.
 */
export class RedisLink {
  readonly #publisher: Redis
  readonly #subscriber: Redis
  readonly #options: RedisLinkOptions
  readonly #beatChannel = `coweave:beat:${randomUUID()}`
  readonly #firstBeat = Promise.withResolvers<void>()
  readonly #timer: NodeJS.Timeout
  #state: 'connecting' | 'subscribing' | 'up' | 'ended' = 'connecting'
  #lastError: string | undefined
  #tickedAt = performance.now()
  #heardAt = performance.now() + CONNECT_TIMEOUT_MS - LONGEST_SILENCE_MS
  #outbox: { readonly channel: string; readonly message: Uint8Array }[] = []
  #waitingBytes = 0

  constructor(options: RedisLinkOptions) {
    const { target, attempt } = options
    this.#options = options
    this.#publisher = connectOnce(target, attempt)
    // Through another node of a cluster, so that the beat shows that the nodes reach each other.
    this.#subscriber = connectOnce(target, attempt + 1)
    for (const connection of [this.#publisher, this.#subscriber]) {
      connection.on('error', (error: Error) => {
        this.#lastError = error.message
      })
      connection.on('end', () => this.#end('the connection was closed'))
    }
    this.#subscriber.on('messageBuffer', (channel: Buffer, message: Buffer) => this.#hear(channel.toString(), message))
    this.#timer = setInterval(() => this.#tick(), BEAT_INTERVAL_MS)
    this.#open().catch((error: Error) => this.#end(error.message))
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** Resolves once messages of the channel arrive, or at once before it can subscribe. Never rejects. */
  async subscribe(channel: string): Promise<void> {
    if (this.#state !== 'subscribing' && this.#state !== 'up') return
    await this.#subscriber.subscribe(channel).catch((error: Error) => this.#end(error.message))
  }

  unsubscribe(channel: string): void {
    if (this.#state !== 'subscribing' && this.#state !== 'up') return
    this.#subscriber.unsubscribe(channel).catch((error: Error) => this.#end(error.message))
  }

  /** Sends it with all others of this turn. The link ends when more waits for Redis than memory may hold. */
  publish(channel: string, message: Uint8Array): void {
    if (this.#state !== 'up') return
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#end('more was published than Redis takes')
      return
    }
    this.#waitingBytes += message.length + COMMAND_BYTES
    this.#outbox.push({ channel, message })
    if (this.#outbox.length === 1) setImmediate(() => this.#flush())
  }

  /** Sends what was published, if that goes at once, and ends without telling. */
  async close(): Promise<void> {
    if (this.#state === 'ended') return
    if (this.#state === 'up') {
      const timeout = AbortSignal.timeout(CLOSE_TIMEOUT_MS)
      await Promise.race([this.#flush(), new Promise((resolve) => timeout.addEventListener('abort', resolve))])
    }
    this.#disconnect()
  }

  async #open(): Promise<void> {
    await Promise.all([this.#publisher.connect(), this.#subscriber.connect()])
    if (this.#state === 'ended') return
    this.#state = 'subscribing'
    await this.#subscriber.subscribe(this.#beatChannel)
    this.#beat()
    for (const channels of inRuns(this.#options.channels(), CHANNELS_PER_COMMAND)) {
      await this.#subscriber.subscribe(...channels)
    }
    await this.#firstBeat.promise
    if (this.#state !== 'subscribing') return
    this.#state = 'up'
    this.#options.onUp()
  }

  #hear(channel: string, message: Uint8Array): void {
    if (this.#state === 'ended') return
    if (channel !== this.#beatChannel) {
      this.#options.onMessage(channel, message)
      return
    }
    this.#heardAt = performance.now()
    this.#firstBeat.resolve()
  }

  #tick(): void {
    const now = performance.now()
    // While this process stood still it could not hear anything either.
    this.#heardAt += Math.max(0, now - this.#tickedAt - BEAT_INTERVAL_MS)
    this.#tickedAt = now
    if (now - this.#heardAt > LONGEST_SILENCE_MS) this.#end('Redis does not answer')
    else if (this.#state !== 'connecting') this.#beat()
  }

  #beat(): void {
    this.#publisher.publish(this.#beatChannel, '').catch((error: Error) => this.#end(error.message))
  }

  async #flush(): Promise<void> {
    const outbox = this.#outbox
    this.#outbox = []
    if (this.#state !== 'up' || outbox.length === 0) return
    const pipeline = this.#publisher.pipeline()
    let bytes = 0
    for (const { channel, message } of outbox) {
      pipeline.publish(channel, Buffer.from(message.buffer, message.byteOffset, message.byteLength))
      bytes += message.length + COMMAND_BYTES
    }
    const results = (await pipeline.exec()) ?? []
    this.#waitingBytes -= bytes
    const [failed] = results.find(([error]) => error !== null) ?? []
    if (failed) this.#end(failed.message)
  }

  #end(reason: string): void {
    if (this.#state === 'ended') return
    this.#disconnect()
    this.#options.onEnd(this.#lastError ?? reason)
  }

  #disconnect(): void {
    this.#state = 'ended'
    clearInterval(this.#timer)
    this.#outbox = []
    for (const connection of [this.#publisher, this.#subscriber]) connection.disconnect()
  }
}

/** Takes the items only as it goes, so that it also sees what comes and leaves meanwhile. */
function* inRuns<T>(items: Iterable<T>, length: number): Generator<T[]> {
  let run: T[] = []
  for (const item of items) {
    run.push(item)
    if (run.length < length) continue
    yield run
    run = []
  }
  if (run.length > 0) yield run
}
