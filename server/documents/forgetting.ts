import type { Logger } from 'pino'
import { CloseCode } from '../../model/close-codes.ts'
import type { EgressGroup } from '../connection/egress.ts'
import type { SocketConnection } from '../connection/socket-connection.ts'
import type { OpenDocument } from './open-document.ts'

type Names = ReadonlySet<string>

export interface ForgettingOptions {
  /** Takes documents out of memory. Returns those that were there. */
  readonly forget: (names: Names) => readonly OpenDocument[]
  readonly connections: ReadonlySet<SocketConnection>
  readonly egresses: EgressGroup
  readonly logger: Logger
}

/** Takes documents out of memory that are no longer what the log has, and tells or sends away who has them open. */
export class Forgetting {
  readonly #options: ForgettingOptions

  constructor(options: ForgettingOptions) {
    this.#options = options
  }

  /** They hold updates that the log may not have: storage failed for too long. */
  lost(names: Names): void {
    const { logger, egresses } = this.#options
    logger.error(
      { documents: [...names] },
      'storage failed for too long: documents are forgotten, clients keep their edits',
    )
    egresses.closeWaiting(CloseCode.TryAgainLater, 'storage is not available')
    this.#sendAway(names, 'storage is not available')
  }

  /** The log has left out updates that they hold. */
  refused(names: Names): void {
    this.#options.logger.warn(
      { documents: [...names] },
      'the log has left out edits: two users took the same Yjs client id, or the document is deleted',
    )
    this.#sendAway(names, 'the document is loaded anew')
  }

  /** What the log has can't be applied to them. */
  broken(name: string): void {
    this.#sendAway(new Set([name]), 'the document is loaded anew')
  }

  /** Whoever has one of them open is told, before its updates can be left out by the log. */
  deleted(names: Names): void {
    for (const connection of this.#options.connections) connection.deleted(names)
    this.#options.forget(names)
  }

  /** Whoever has one of them open is sent away: they have what was there before. */
  reset(names: Names): void {
    for (const connection of this.#options.connections) connection.reset(names)
    this.#options.forget(names)
  }

  /** Whoever has one open comes back, and gets what the log has. */
  #sendAway(names: Names, reason: string): void {
    const forgotten = new Set(this.#options.forget(names))
    for (const connection of this.#options.connections) {
      const isAffected = [...connection.channels].some((channel) => forgotten.has(channel.document))
      if (isAffected) connection.close(CloseCode.TryAgainLater, reason)
    }
  }
}
