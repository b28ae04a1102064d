import { CloseCode } from '../../model/close-codes.ts'
import type { Access } from '../access/access.ts'
import { matcherOf, type RecheckScope } from '../access/decisions.ts'
import { askedName } from '../access/levels.ts'
import type { Channel } from './channel.ts'
import type { SocketConnection } from './socket-connection.ts'

/** A decision is asked for anew when half of its time is over, so that there is time to ask once more. */
const LOOKS = 4
const SHORTEST_MS = 50

export interface AccessWatchOptions {
  readonly access: Access
  /** How long a decision counts, ms. */
  readonly timeMs: number
  readonly connections: ReadonlySet<SocketConnection>
}

/** Keeps what open documents allow at what a product says: again and again, and at once when it is told to. */
export class AccessWatch {
  readonly #options: AccessWatchOptions
  readonly #timer: NodeJS.Timeout | undefined

  constructor(options: AccessWatchOptions) {
    this.#options = options
    if (!options.access.isAsking) return
    this.#timer = setInterval(() => this.#look(), Math.max(SHORTEST_MS, options.timeMs / LOOKS))
    this.#timer.unref()
  }

  /** Asks anew. Resolves once nobody is served on the ground of what was decided before; meanwhile those asked about wait. */
  async recheck(scope: RecheckScope): Promise<void> {
    const { access, connections } = this.#options
    access.forget(scope)
    const isMeant = matcherOf(scope)
    const checks = [...connections].map(async (connection) => {
      const channels = [...connection.channels].filter(({ document, principal }) => {
        const name = askedName(document.name)
        return name !== undefined && isMeant(principal.user, name)
      })
      if (channels.length === 0) return
      const release = connection.hold()
      await Promise.all(channels.map((channel) => this.#check(connection, channel)))
      release()
    })
    await Promise.all(checks)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { access, connections, timeMs } = this.#options
    for (const connection of connections) {
      for (const channel of connection.channels) {
        if (access.age(channel.document.name, channel.principal) !== undefined) {
          void this.#check(connection, channel, timeMs / 2)
        }
      }
    }
  }

  async #check(connection: SocketConnection, channel: Channel, maxAgeMs?: number): Promise<void> {
    const { access, timeMs } = this.#options
    const { document, principal } = channel
    try {
      const level = await access.levelIn(document.name, principal, maxAgeMs)
      // A newer token was checked by itself.
      if (channel.principal === principal) connection.decided(channel, level)
    } catch {
      // It was logged where it was asked. Until its time is over the last decision counts.
      const age = access.age(document.name, principal) ?? 0
      if (age >= timeMs) connection.close(CloseCode.TryAgainLater, 'access/unavailable')
    }
  }
}
