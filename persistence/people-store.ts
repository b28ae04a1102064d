/** What a document keeps of one person, beside what it holds. */
export interface PersonTrace {
  readonly document: string
  /** Rows of the log that they wrote, and when the first and the last of them came, ms since 1970; 0 for none. */
  readonly updates: number
  readonly firstAt: number
  readonly lastAt: number
  /** Yjs client ids that are theirs. */
  readonly clients: number
  /** Versions that they named. */
  readonly versions: number
  /** Whether it is noted up to where they have seen it. */
  readonly hasSeen: boolean
}

/** How much was taken from one person. */
export interface Disowned {
  /** Rows of the log, claims of Yjs client ids, versions and deletions that have another author now. */
  readonly updates: number
  readonly clients: number
  readonly versions: number
  readonly deletions: number
  /** Notes of what they have seen that are gone. */
  readonly seen: number
}

/** The erasing of one person, which goes on after a crash. */
export interface StoredErasure {
  readonly id: string
  /** When it was asked for, ms since 1970. */
  readonly at: number
  readonly isDone: boolean
  /** The rest, as JSON: it is the server's. */
  readonly json: string
}

/**
 * What the log keeps of people, for who wants to know it or to have it erased. Part of the update log (update-log.ts), whose
 * calls these reject as. For what stands in tables of its own; what documents and messages hold is for server/people.
 *
 * Every implementation passes the suite in test/persistence/people-store-contract.ts.
 */
export interface PeopleStore {
  /** The documents that keep something of a user, by the bytes of their names; also deleted ones. Delays no other call. */
  traces(user: string): AsyncIterable<PersonTrace>

  /**
   * Makes a pseudonym the author of all that a user wrote: of rows, claims of client ids, versions and deletions. What
   * the rows hold stays, and others still can't have the client ids. What was noted as seen is gone. In many small
   * transactions that delay no edit; after an interruption the same call goes on, and tells only of what was left.
   * @throws {StorageError} `storage/corrupt` or `storage/key` for what can't be read: it is not sealed anew
   */
  disown(user: string, pseudonym: string): Promise<Disowned>

  /**
   * Writes a snapshot as compact() does, in place of one that is there, in which nothing is left of entries of maps that
   * were removed and whose key is the user's id, or a word, a space and that: Yjs keeps such keys otherwise. Resolves
   * with its position, 0 for a document without rows or when another process was just writing one.
   */
  scrub(document: string, user: string): Promise<number>

  /** Sees to it that the files of the database hold nothing more of what was deleted, as far as that can be done while they are used. */
  sweep(): Promise<void>

  /** Stores an erasure, or what has become of it. Once resolved it survives a power cut. */
  saveErasure(erasure: StoredErasure): Promise<void>

  erasure(id: string): Promise<StoredErasure | undefined>

  /** Erasures that are not done, and those asked for since then; the oldest first. */
  erasures(since: number): Promise<StoredErasure[]>
}
