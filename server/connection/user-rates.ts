import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

const WINDOW_MS = 1_000
/** The longest time that Node's timers take. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface UserRatesOptions {
  /** Of all connections of one user; 0 for no limit. */
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
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
  /** Until when nothing more is taken of a user, on the clock of `performance`. */
  readonly #pausedUntil = new Map<string, number>()

  constructor({ messagesPerSecond, bytesPerSecond, onProblem }: UserRatesOptions) {
    this.#messages = limiter('messages', messagesPerSecond)
    this.#bytes = limiter('bytes', bytesPerSecond)
    this.#onProblem = onProblem
  }

  /** Counts what `user` sent. */
  spend(user: string, messages: number, bytes: number): void {
    if (this.#messages !== undefined) void this.#consume(this.#messages, user, messages)
    if (this.#bytes !== undefined) void this.#consume(this.#bytes, user, bytes)
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

function limiter(keyPrefix: string, points: number): RateLimiterAbstract | undefined {
  return points === 0 ? undefined : new RateLimiterMemory({ keyPrefix, points, duration: WINDOW_MS / 1000 })
}
