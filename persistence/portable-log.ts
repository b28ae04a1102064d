import type { ClientClaim } from './client-claim.ts'
import type { StoredEvent, UntoldChange } from './event-store.ts'
import type { HistoryBase } from './retention.ts'
import type { ArchivedMessage, UpdateLog } from './update-log.ts'
import type { Delivery } from './webhook-store.ts'

/** A page of the archive. */
export interface ArchivePage {
  readonly messages: readonly ArchivedMessage[]
  /** What to give as `after` to go on; undefined when there is nothing more. */
  readonly next: number | undefined
}

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

/** A log that can be copied whole into another one, whatever that stands in; see migrate.ts. */
export interface PortableLog extends UpdateLog {
  /**
   * The messages of all rooms in the order they came, from the first behind `after`.
   * @throws {StorageError} as messages()
   */
  archive(options: { after?: number; limit: number }): Promise<ArchivePage>

  /** Stores messages by the rules of append(), in one transaction, without an update. @throws {StorageError} as append() */
  restoreMessages(messages: readonly ArchivedMessage[]): Promise<void>

  /**
   * Makes a document of which rows are forgotten, in one transaction; its next row gets the position behind. Where there
   * is one of that name, nothing is done.
   * @throws {StorageError} as append()
   */
  restoreBase(restored: RestoredBase): Promise<void>

  /**
   * Stores events under the numbers they have, in one transaction, without an update; those that are there stay. The next
   * event gets a number above `last`.
   * @throws {StorageError} as append()
   */
  restoreEvents(events: readonly StoredEvent[], last: number): Promise<void>

  /** Has these changes untold and no others: what was copied is no news. @throws {StorageError} as append() */
  restoreUntold(changes: readonly UntoldChange[]): Promise<void>

  /** Stores deliveries as they are, those that are not there. @throws {StorageError} as append() */
  restoreDeliveries(deliveries: readonly Delivery[]): Promise<void>
}
