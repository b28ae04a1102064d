import type { Cluster, Redis } from 'ioredis'
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'

const WINDOW_MS = 1_000
/** For how long what a user spent is added up before Redis is told. */
const GATHER_MS = 100
/** The longest time that Node's timers take. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface UserRatesOptions {
  /** Of all connections of one user; 0 for no limit. */
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
  /** Where all instances count together; while it is away, and without it, each counts for itself. */
  readonly redis?: { readonly client: Redis | Cluster /** The id of the database. */; readonly namespace: string }
  /** The counts could not be had. */
  readonly onProblem: (error: unknown) => void
}

/**
 * How much each user sends, over all of their connections. What was spent is known only a little later, when it has been
 * taken: what is over the limit is paid with time, by all of the user's connections.
 */
export class UserRates {
  readonly #messages: RateLimiterAbstract | undefined
  readonly #bytes: RateLimiterAbstract | undefined
  readonly #onProblem: (error: unknown) => void
  readonly #gatherMs: number
  /** What was spent and not yet counted. */
  readonly #gathered = new Map<string, { messages: number; bytes: number }>()
  /** Until when nothing more is taken of a user, on the clock of `performance`. */
  readonly #pausedUntil = new Map<string, number>()

  constructor({ messagesPerSecond, bytesPerSecond, redis, onProblem }: UserRatesOptions) {
    this.#messages = limiter('messages', messagesPerSecond, redis)
    this.#bytes = limiter('bytes', bytesPerSecond, redis)
    this.#gatherMs = redis === undefined ? 0 : GATHER_MS
    this.#onProblem = onProblem
  }

  /** Counts what `user` sent. */
  spend(user: string, messages: number, bytes: number): void {
    if (this.#gatherMs === 0) {
      this.#count(user, messages, bytes)
      return
    }
    const gathered = this.#gathered.get(user)
    if (gathered !== undefined) {
      gathered.messages += messages
      gathered.bytes += bytes
      return
    }
    if (this.#gathered.size === 0) setTimeout(() => this.#countGathered(), this.#gatherMs).unref()
    this.#gathered.set(user, { messages, bytes })
  }

  /** How long to take nothing more of `user`, ms; 0 for not at all. */
  waitMs(user: string): number {
    const until = this.#pausedUntil.get(user)
    if (until === undefined) return 0
    const waitMs = until - performance.now()
    if (waitMs > 0) return waitMs
    this.#pausedUntil.delete(user)
    return 0
  }

  #countGathered(): void {
    const gathered = [...this.#gathered]
    this.#gathered.clear()
    for (const [user, { messages, bytes }] of gathered) this.#count(user, messages, bytes)
  }

  #count(user: string, messages: number, bytes: number): void {
    if (this.#messages !== undefined) void this.#consume(this.#messages, user, messages)
    if (this.#bytes !== undefined) void this.#consume(this.#bytes, user, bytes)
  }

  async #consume(limiter: RateLimiterAbstract, user: string, points: number): Promise<void> {
    if (points === 0) return
    try {
      await limiter.consume(user, points)
    } catch (over) {
      if (over instanceof RateLimiterRes) this.#pause(user, over, limiter.points)
      // Nobody is kept waiting for a counter.
      else this.#onProblem(over)
    }
  }

  #pause(user: string, { msBeforeNext, consumedPoints }: RateLimiterRes, points: number): void {
    const debtMs = ((consumedPoints - points) / points) * WINDOW_MS
    const until = performance.now() + msBeforeNext + debtMs
    if (until <= (this.#pausedUntil.get(user) ?? 0)) return
    this.#pausedUntil.set(user, until)
    // Who is over the limit may never come back to ask.
    setTimeout(() => this.waitMs(user), Math.min(msBeforeNext + debtMs + 1, LONGEST_TIMER_MS)).unref()
  }
}

function limiter(name: string, points: number, redis: UserRatesOptions['redis']): RateLimiterAbstract | undefined {
  if (points === 0) return undefined
  const limit = { points, duration: WINDOW_MS / 1000 }
  if (redis === undefined) return new RateLimiterMemory({ keyPrefix: name, ...limit })
  const keyPrefix = `coweave:rate:${encodeURIComponent(redis.namespace)}:${name}`
  return new RateLimiterRedis({
    ...limit,
    keyPrefix,
    storeClient: redis.client,
    rejectIfRedisNotReady: true,
    insuranceLimiter: new RateLimiterMemory({ keyPrefix, ...limit }),
  })
}
