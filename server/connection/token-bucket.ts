const clock = (): number => performance.now()

/**
 * What may be spent at a steady rate, and `burst` of it at once after a pause. It may be overdrawn, since what came has
 * come; then nothing more is to be taken until the debt is paid. The clock is read only when it is empty, so that a
 * long pause counts once more after it: up to twice the burst at once.
 */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  readonly #now: () => number
  #tokens: number
  #filledAt: number

  /** 0 for `perSecond` takes off the limit. `now` in ms. */
  constructor(perSecond: number, burst: number = perSecond, now: () => number = clock) {
    this.#perSecond = perSecond
    this.#burst = perSecond === 0 ? Number.POSITIVE_INFINITY : burst
    this.#now = now
    this.#tokens = this.#burst
    this.#filledAt = now()
  }

  take(tokens: number): void {
    this.#tokens -= tokens
  }

  /** How long to wait before more is taken, ms; 0 for not at all. */
  waitMs(): number {
    if (this.#tokens > 0) return 0
    const now = this.#now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond)
    this.#filledAt = now
    return this.#tokens > 0 ? 0 : Math.max(1, Math.ceil((-this.#tokens / this.#perSecond) * 1000))
  }
}
