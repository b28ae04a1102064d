import type { ClientClaim } from './client-claim.ts'
import type { StoredEvent, UntoldChange } from './event-store.ts'
import type { ArchivedMessage } from './message-store.ts'
import type { HistoryBase } from './retention.ts'
import type { Delivery } from './webhook-store.ts'

/** A document as it was where its history begins. */
export interface RestoredBase {
  readonly name: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly base: HistoryBase
  /** Where its content begins, if that is not behind the base; 0 otherwise. */
  readonly epoch: number
  /** Those that came with the forgotten rows, each with a client id of its own. */
  readonly claims: readonly ClientClaim[]
}

/**
 * Stores what another log holds as it is there, where that has no update to come with. For copying whole logs
 * (migrate.ts), as part of one that can be copied (portable-log.ts). Calls reject as UpdateLog.append().
 */
export interface Restorer {
  /** Stores messages by the rules of append(), in one transaction, without an update. */
  messages(messages: readonly ArchivedMessage[]): Promise<void>

  /**
   * Makes a document of which rows are forgotten, in one transaction; its next row gets the position behind. Where there
   * is one of that name, nothing is done.
   */
  base(restored: RestoredBase): Promise<void>

  /**
   * Stores events under the numbers they have, in one transaction, without an update; those that are there stay. The next
   * event gets a number above `last`.
   */
  events(events: readonly StoredEvent[], last: number): Promise<void>

  /** Has these changes untold and no others: what was copied is no news. */
  untold(changes: readonly UntoldChange[]): Promise<void>

  /** Stores deliveries as they are, those that are not there. */
  deliveries(deliveries: readonly Delivery[]): Promise<void>
}
