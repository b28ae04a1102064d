import type { NamedVersion } from '../model/history.ts'
import type { NewEvent } from './event-store.ts'

/**
 * The positions of documents that have names. Part of the update log (update-log.ts), whose calls these reject as.
 *
 * Every implementation passes the suite in test/persistence/version-store-contract.ts.
 */
export interface VersionStore {
  /**
   * The versions of a document, the highest position first; none for an unknown document.
   * @throws {StorageError} `storage/corrupt` (naming document and version), `storage/key`, `storage/closed`
   */
  list(document: string): Promise<NamedVersion[]>

  /**
   * Names a position, or replaces the version of the same id; once resolved it survives a power cut. False, and nothing
   * stored, where the document has no such position, or none any more; see Retention.forget().
   */
  add(document: string, version: NamedVersion, events?: readonly NewEvent[]): Promise<boolean>

  /** Gives a version another name. False where there is none of that id. */
  rename(document: string, id: string, name: string): Promise<boolean>

  /** False where there is none of that id. */
  remove(document: string, id: string): Promise<boolean>
}
