import type { NamedVersion } from '../model/history.ts'
import type { NewEvent } from './event-store.ts'

/** Up to where a user has seen a document, and since when. */
export interface Seen {
  readonly user: string
  readonly position: number
  readonly at: number
}

/** What is kept about a document's positions beside its rows. Part of the update log (update-log.ts). */
export interface HistoryTables {
  /**
   * The positions of a document that have names, the highest first; none for an unknown document.
   * @throws {StorageError} `storage/corrupt` (naming document and version), `storage/key`, `storage/closed`
   */
  versions(document: string): Promise<NamedVersion[]>

  /**
   * Names a position, or replaces the version of the same id; once resolved it survives a power cut. False, and nothing
   * stored, where the document has no such position, or none any more; see Retention.forget().
   * @throws {StorageError} as append()
   */
  addVersion(document: string, version: NamedVersion, events?: readonly NewEvent[]): Promise<boolean>

  /** Gives a version another name. False where there is none of that id. @throws {StorageError} as append() */
  renameVersion(document: string, id: string, name: string): Promise<boolean>

  /** False where there is none of that id. @throws {StorageError} as append() */
  removeVersion(document: string, id: string): Promise<boolean>

  /** Up to where a user has seen a document; undefined for never. @throws {StorageError} as versions() */
  seen(document: string, user: string): Promise<Seen | undefined>

  /**
   * Notes up to where users have seen a document. Who has seen more already is left as they are, which costs no write, and
   * so is everybody for an unknown document.
   * @throws {StorageError} as append()
   */
  setSeen(document: string, seen: readonly Seen[]): Promise<void>
}
