import type { Restorer } from './restorer.ts'
import type { ArchivedMessage, UpdateLog } from './update-log.ts'

/** A page of the archive. */
export interface ArchivePage {
  readonly messages: readonly ArchivedMessage[]
  /** What to give as `after` to go on; undefined when there is nothing more. */
  readonly next: number | undefined
}

/** A log that can be copied whole into another one, whatever that stands in; see migrate.ts. */
export interface PortableLog extends UpdateLog {
  /** Stores what comes from another log. */
  readonly restore: Restorer

  /**
   * The messages of all rooms in the order they came, from the first behind `after`.
   * @throws {StorageError} as messages()
   */
  archive(options: { after?: number; limit: number }): Promise<ArchivePage>
}
