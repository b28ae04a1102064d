import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

export interface UserRatesOptions {
  /** Of all connections of one user; 0 for no limit. */
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
  /** The counts could not be had. */
  readonly onProblem: (error: unknown) => void
}

/** How much each user sends, over all of their connections. */
export class UserRates {
  readonly #messages: RateLimiterAbstract | undefined
  readonly #bytes: RateLimiterAbstract | undefined
  readonly #onProblem: (error: unknown) => void

  constructor({ messagesPerSecond, bytesPerSecond, onProblem }: UserRatesOptions) {
    this.#messages = limiter('messages', messagesPerSecond)
    this.#bytes = limiter('bytes', bytesPerSecond)
    this.#onProblem = onProblem
  }

  /** Whether there is anything to count. */
  get isLimited(): boolean {
    return this.#messages !== undefined || this.#bytes !== undefined
  }

  /** Counts what `user` sent. Resolves with how long to take nothing more of them, ms; 0 for not at all. */
  async spend(user: string, messages: number, bytes: number): Promise<number> {
    const waits = await Promise.all([this.#wait(this.#messages, user, messages), this.#wait(this.#bytes, user, bytes)])
    return Math.max(...waits)
  }

  /** How long to take nothing more of `user`, ms; 0 for not at all. */
  async waitMs(user: string): Promise<number> {
    const waits = await Promise.all([this.#waitsFor(this.#messages, user), this.#waitsFor(this.#bytes, user)])
    return Math.max(...waits)
  }

  async #waitsFor(limiter: RateLimiterAbstract | undefined, user: string): Promise<number> {
    if (limiter === undefined) return 0
    try {
      const spent = await limiter.get(user)
      return spent !== null && spent.consumedPoints > limiter.points ? Math.max(1, spent.msBeforeNext) : 0
    } catch (error) {
      this.#onProblem(error)
      return 0
    }
  }

  async #wait(limiter: RateLimiterAbstract | undefined, user: string, points: number): Promise<number> {
    if (limiter === undefined || points === 0) return 0
    try {
      await limiter.consume(user, points)
      return 0
    } catch (over) {
      if (over instanceof RateLimiterRes) return Math.max(1, over.msBeforeNext)
      // Nobody is kept waiting for a counter.
      this.#onProblem(over)
      return 0
    }
  }
}

function limiter(keyPrefix: string, points: number): RateLimiterAbstract | undefined {
  return points === 0 ? undefined : new RateLimiterMemory({ keyPrefix, points, duration: 1 })
}
