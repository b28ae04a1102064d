import type { Config } from '../config.ts'
import { TokenBucket } from './token-bucket.ts'
import type { UserRates } from './user-rates.ts'

/**
 * How fast one connection sends, and its user with all of theirs. Each message is only counted; what the user's
 * connections share is settled once a turn of the loop, since that may be kept elsewhere.
 */
export class Meter {
  /** Undefined where there is no limit. */
  readonly #messages: TokenBucket | undefined
  readonly #bytes: TokenBucket | undefined
  readonly #users: UserRates
  #user: string | undefined
  #turnMessages = 0
  #turnBytes = 0

  constructor(config: Config, users: UserRates) {
    this.#messages = bucketFor(config.CONNECTION_MESSAGES_PER_SECOND)
    this.#bytes = bucketFor(config.CONNECTION_BYTES_PER_SECOND)
    this.#users = users
  }

  /** Whose connection it is. Of a connection with several users the first one pays. */
  belongsTo(user: string): void {
    this.#user ??= user
  }

  /** Counts a message that is taken. */
  count(bytes: number): void {
    this.#messages?.take(1)
    this.#bytes?.take(bytes)
    this.#turnMessages += 1
    this.#turnBytes += bytes
  }

  endTurn(): void {
    const [messages, bytes] = [this.#turnMessages, this.#turnBytes]
    this.#turnMessages = 0
    this.#turnBytes = 0
    if (this.#user !== undefined && messages > 0) this.#users.spend(this.#user, messages, bytes)
  }

  /** How long to take nothing more, ms; 0 for not at all. */
  waitMs(): number {
    return Math.max(
      this.#messages?.waitMs() ?? 0,
      this.#bytes?.waitMs() ?? 0,
      this.#user === undefined ? 0 : this.#users.waitMs(this.#user),
    )
  }
}

function bucketFor(perSecond: number): TokenBucket | undefined {
  return perSecond === 0 ? undefined : new TokenBucket(perSecond)
}
