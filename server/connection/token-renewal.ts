import type { Principal } from '../access/grants.ts'
import type { Channel } from './channel.ts'

/** A new token is asked for so long before the old one ends. */
const RENEWAL_MS = 60_000

/** Asks a client for a new token before one of its channels' ends, once for each token. */
export class TokenRenewal {
  readonly #asked = new Set<Channel>()

  /** Asks if it is time. Returns whether the token has ended. */
  hasExpired(channel: Channel, now: number): boolean {
    const { expires } = channel.principal
    if (expires === undefined || now < expires - RENEWAL_MS) return false
    if (now >= expires) return true
    if (!this.#asked.has(channel)) {
      this.#asked.add(channel)
      channel.connection.requestToken()
    }
    return false
  }

  /** A token came. A static one comes back as it was: asking again would not help. */
  renewed(channel: Channel, { expires }: Principal): void {
    if (expires !== channel.principal.expires) this.#asked.delete(channel)
  }

  forget(channel: Channel): void {
    this.#asked.delete(channel)
  }
}
